"""A handler is a transaction over its conversation, seen from the other end of the line."""

import pytest
from django.contrib.auth.models import Group as Team

from vkteams_bot import F, Router
from vkteams_bot.fsm import FSMContext
from vkteams_bot.models import ChatMessage, Conversation
from vkteams_bot.routing import ErrorEvent
from vkteams_bot.testing import HandlerFailed
from vkteams_bot.types import Message
from vkteams_bot.worker import resend

router, guarded = Router(), Router()
pytestmark = [pytest.mark.orm, pytest.mark.vkteams(routers=[guarded, router])]


@guarded.message(F.text.startswith("guarded"))
async def guarded_failure(message: Message, state: FSMContext):
    await state.set_state("half way")
    await message.answer("awaited")
    raise ValueError("on purpose")


@guarded.error()
async def apologise(event: ErrorEvent):
    return f"Sorry: {event.exception}"


@router.message(F.text == "not JSON")
async def not_json(message: Message, state: FSMContext):
    await state.update_data(when={1, 2})
    return "never sent"


@router.message(F.text == "database")
def breaks_the_database(message: Message, state: FSMContext):
    state.set_state("half way")
    Team.objects.create(name="kept")
    Team.objects.create(name="a second", pk=Team.objects.get().pk)


@router.message(F.text.startswith("remember "))
async def remember(message: Message, state: FSMContext):
    seen = [*state.get_value("seen", []), message.text]
    await state.update_data(seen=seen)
    return [f"{len(seen)} a", f"{len(seen)} b"]


@router.message(F.text == "forget")
async def forget(message: Message, state: FSMContext):
    await state.clear()


@pytest.fixture
def alice(chat):
    return chat.user("alice@corp")


def test_an_error_handler_answers_and_the_state_is_dropped(alice, chat):
    with chat.errors_expected() as errors:
        alice.sends("guarded")
    assert alice.replies == ["awaited", "Sorry: on purpose"]
    assert alice.state is None
    assert len(errors) == 1
    assert "ValueError: on purpose" in chat.updates.get().error


def test_state_that_cannot_be_stored_fails_the_handler_and_drops_its_reply(alice, chat):
    with pytest.raises(HandlerFailed, match="state data must be JSON"):
        alice.sends("not JSON")
    assert alice.sees == ""
    assert chat.calls.count() == 0
    alice.sends("remember this")
    assert alice.replies == ["1 a", "1 b"]


def test_an_error_of_the_database_is_the_handlers_own(alice):
    with pytest.raises(HandlerFailed, match="IntegrityError"):
        alice.sends("database")
    assert alice.state is None
    alice.sends("remember this")
    assert alice.sees == "1 b"
    assert not Team.objects.exists()


def test_state_of_earlier_updates_is_seen_and_replies_keep_their_order(alice):
    for number in (1, 2, 3):
        alice.sends(f"remember {number}")
        assert alice.replies == [f"{number} a", f"{number} b"]
    assert alice.data == {"seen": ["remember 1", "remember 2", "remember 3"]}
    alice.sends("forget")
    assert alice.data == {}


def test_an_operators_edit_is_seen_by_the_next_update(alice):
    alice.sends("remember 1")
    row = Conversation.objects.get()
    row.data = {"seen": ["x"] * 9}
    row.save()
    alice.sends("remember 2")
    assert alice.sees == "10 b"


def test_what_nobody_handles_is_marked(alice, chat):
    alice.sends("whatever")
    assert alice.sees == ""
    assert chat.updates.get().status == "unhandled"


def test_both_directions_are_logged_with_the_exchange(alice):
    alice.sends("remember 1")
    rows = ChatMessage.objects.order_by("pk").values_list("direction", "text")
    assert list(rows) == [("in", "remember 1"), ("out", "1 a"), ("out", "1 b")]


def test_an_unknown_outcome_is_resent_only_when_the_project_says_so(alice, chat, settings):
    chat.faults("disconnect_after@messages/sendText#1")
    alice.sends("remember 1")
    assert alice.replies == ["1 a", "1 b"]
    assert [call.status for call in chat.calls] == ["unknown", "sent"]
    assert resend(chat.calls) == 1
    chat.settle()
    assert alice.replies == ["1 a", "1 b", "1 a"]
    assert [call.status for call in chat.calls] == ["sent", "sent"]
