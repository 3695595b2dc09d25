"""Calls that wait in the outbox are sent, with no broker and no worker."""

from datetime import timedelta

import pytest
from django.db import transaction

from vkteams_bot import Router, bot
from vkteams_bot.filters import Command
from vkteams_bot.testing import CallRefused
from vkteams_bot.types import Message

router = Router()
pytestmark = [pytest.mark.orm, pytest.mark.vkteams(routers=[router])]


@router.message(Command("remind"))
def remind(message: Message):
    bot.send_text(message.chat.chat_id, "Now").delay()
    bot.send_text(message.chat.chat_id, "In an hour").delay(at=timedelta(hours=1))


@router.message(Command("queue"))
async def queue(message: Message):
    await bot.send_text(message.chat.chat_id, "Queued").delay()


@pytest.fixture
def alice(chat):
    return chat.user("alice@corp")


def test_a_delayed_call_comes_with_the_exchange_and_a_later_one_when_it_is_due(alice, chat):
    alice.sends("/remind")
    assert alice.replies == ["Now"]
    chat.travel(minutes=59)
    assert alice.replies == ["Now"]
    chat.travel(minutes=2)
    assert alice.replies == ["Now", "In an hour"]
    assert [call.status for call in chat.calls] == ["sent", "sent"]


def test_what_a_view_queued(alice, chat):
    with transaction.atomic():
        bot.send_text("alice@corp", "From a view").delay()
    assert alice.sees == ""
    chat.settle()
    assert alice.sees == "From a view"


def test_a_lost_answer_is_unknown(alice, chat):
    chat.faults("disconnect_after@messages/sendText#1")
    bot.send_text("alice@corp", "From a view").delay()
    chat.settle()
    assert alice.sees == "From a view"
    assert [call.status for call in chat.calls] == ["unknown"]


async def test_in_coroutines(alice, chat):
    await alice.sends("/queue")
    assert alice.replies == ["Queued"]
    await alice.sends("/remind")
    assert alice.replies == ["Now"]
    await chat.travel(minutes=61)
    assert alice.replies == ["Now", "In an hour"]


def test_a_server_that_does_not_answer_ends_nothing(alice, chat):
    """Rows wait on; the exchange ends, and the next test starts with a clean slate."""
    chat.faults("ratelimit@messages/sendText")
    bot.send_text("alice@corp", "Later").delay()
    chat.settle()
    assert [call.status for call in chat.calls] == ["queued"]
    chat.faults()
    chat.travel(minutes=5)
    assert alice.sees == "Later"


def test_one_that_the_server_refuses_fails_the_test(chat):
    bot.send_text("nobody@corp", "Lost").delay()
    with pytest.raises(CallRefused, match="Invalid chatId"):
        chat.settle()
    assert [call.status for call in chat.calls] == ["failed"]
