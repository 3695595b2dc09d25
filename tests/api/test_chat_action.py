"""Showing "typing": beside the work, again and again, to its end, and never in its way."""

import asyncio
import logging
import threading

import httpx
import pytest

from tests.api.fakes import FakeTransport, answer, bot_over, refusal
from vkteams_bot.api import chat_action


class Watched(FakeTransport):
    """Lets a test wait for a number of requests, in a loop or in a thread."""

    def __init__(self, *answers):
        super().__init__(*answers)
        self.changed = threading.Condition()

    def _handle(self, request):
        try:
            return super()._handle(request)
        finally:
            with self.changed:
                self.changed.notify_all()

    def wait_for(self, number):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.bodies) >= number, 10)

    @property
    def actions(self):
        return [form["actions"][0] for form in self.forms]


@pytest.fixture
def transport():
    return Watched(answer())


def show(bot, transport, face, number=3):
    """Shows "typing" until there were so many requests, then closes the bot."""

    async def main():
        async with bot, bot.typing("c", interval=0.01):
            await asyncio.to_thread(transport.wait_for, number)

    if face == "async":
        return asyncio.run(main())
    with bot.typing("c", interval=0.01):
        transport.wait_for(number)
    for thread in threading.enumerate():
        if thread.name == "typing in c":
            thread.join(10)
    return None


def test_typing_is_repeated_until_the_end_and_then_over(transport, face):
    show(bot_over(transport), transport, face)
    assert set(transport.actions[:-1]) == {"typing"}
    assert len(transport.actions) >= 4
    assert transport.actions[-1] == ""
    assert {form["chatId"][0] for form in transport.forms} == {"c"}


@pytest.mark.parametrize("failure", [refusal("Permission denied"), httpx.ReadTimeout("late")])
def test_failure_is_logged_and_no_more(transport, face, failure, caplog):
    caplog.set_level(logging.DEBUG, "vkteams_bot.api")
    transport.answers = [failure]
    show(bot_over(transport), transport, face)
    assert "chats/sendActions" in caplog.text
    assert len(transport.actions) >= 4


def test_error_of_the_work_passes(transport, face):
    async def work():
        async with bot_over(transport) as bot, bot.typing("c"):
            raise KeyError("work")

    def work_sync():
        with bot_over(transport).typing("c"):
            raise KeyError("work")

    with pytest.raises(KeyError, match="work"):
        asyncio.run(work()) if face == "async" else work_sync()


def test_server_that_hangs_delays_nothing():
    class Hanging(httpx.AsyncBaseTransport):
        def __init__(self):
            self.asked = asyncio.Event()

        async def handle_async_request(self, request):
            self.asked.set()
            await asyncio.Event().wait()
            raise AssertionError("never")

    async def main():
        transport = Hanging()
        bot = bot_over(transport)
        async with bot.typing("c"):
            await transport.asked.wait()
        # Here the block has ended, and the request still hangs.
        assert len(chat_action._tasks) == 1
        await chat_action.end_typing(bot, 0.01)
        assert chat_action._tasks == {}

    asyncio.run(asyncio.wait_for(main(), 10))


def test_work_that_never_waits_shows_nothing(transport):
    async def main():
        async with bot_over(transport) as bot, bot.typing("c"):
            pass

    asyncio.run(main())
    assert transport.actions == []
