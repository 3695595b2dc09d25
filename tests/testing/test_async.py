"""The same verbs in coroutines."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group as Team

from tests.testing.bot import Form, router
from vkteams_bot.registry import bots
from vkteams_bot.testing import Chat, HandlerFailed

pytestmark = [pytest.mark.orm, pytest.mark.vkteams(routers=[router])]


async def test_a_dialog(chat):
    alice = chat.user("alice@corp")
    await alice.sends("/name")
    assert (alice.sees, alice.state) == ("Your name?", Form.name)
    await alice.clicks("Cancel")
    assert (alice.sees, alice.notified, alice.state) == ("Never mind.", "Cancelled.", None)
    await alice.sends("/name")
    await alice.sends("Alice")
    assert alice.data == {"name": "Alice"}
    assert [team.name async for team in Team.objects.all()] == ["Alice"]
    assert await chat.updates.acount() == 4


async def test_plain_handlers_work_too(chat):
    alice = chat.user("alice@corp")
    await Team.objects.acreate(name="in the transaction of the test")
    await alice.sends("/count")
    assert alice.replies == ["Counting...", "1 teams"]


async def test_failures_come_out_of_the_await(chat):
    alice = chat.user("alice@corp")
    with pytest.raises(HandlerFailed, match="on purpose"):
        await alice.sends("/fail")
    with chat.errors_expected() as errors:
        await alice.sends("/fail")
    assert len(errors) == 1


async def test_the_test_itself_may_send(chat):
    alice = chat.user("alice@corp")
    await bots["default"].send_text("alice@corp", "From an async view")
    assert alice.sees == "From an async view"


async def test_several_people_at_once(chat):
    alice, bob = chat.user("alice@corp"), chat.user("bob@corp")
    await asyncio.gather(alice.sends("one"), bob.sends("two"))
    assert (alice.sees, bob.sees) == ("one", "two")


async def test_a_forgotten_await_fails(chat):
    alice = chat.user("alice@corp")
    act = alice.sends("/start")
    with pytest.raises(AssertionError, match="a coroutine did not await this: alice@corp sends '/start'"):
        _ = alice.sees
    await act
    with pytest.raises(RuntimeError, match="has happened already"):
        await act


@pytest.mark.django_db
def test_a_forgotten_await_fails_at_the_end_too():
    async def forget(chat):
        chat.user("alice@corp").sends("/start")

    with pytest.raises(AssertionError, match="did not await"), Chat(routers=[router]) as chat:
        async_to_sync(forget)(chat)


def test_a_coroutine_that_would_not_see_the_transaction_is_refused(chat):
    alice = chat.user("alice@corp")

    async def act():
        await alice.sends("/start")

    with pytest.raises(RuntimeError, match="does not run in the thread of the test"):
        asyncio.run(act())
