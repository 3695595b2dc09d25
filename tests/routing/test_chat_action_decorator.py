"""typing_action: the handler works as before, and the chat shows "typing" meanwhile."""

import asyncio
import threading

import pytest

from tests.api.fakes import FakeTransport, answer, bot_over
from tests.routing.events import conversation, texts
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.fsm import FSMContext
from vkteams_bot.routing import Dispatcher, Router, typing_action

MESSAGE = {"chat": {"chatId": "c", "type": "group"}, "from": {"userId": "u"}, "msgId": "1", "timestamp": 1}
EVENTS = {
    "newMessage": {**MESSAGE, "text": "hi"},
    "callbackQuery": {"queryId": "q", "from": {"userId": "u"}, "callbackData": "x", "message": MESSAGE},
}


class Shown(FakeTransport):
    """Handlers wait until "typing" was asked for."""

    event = threading.Event()

    def _handle(self, request):
        self.event.set()
        return super()._handle(request)


async def shown():
    assert await asyncio.to_thread(Shown.event.wait, 10)


async def awaited(event, state: FSMContext):
    await shown()
    state.update_data(seen=1)
    return "one"


def called(event, state: FSMContext):
    assert Shown.event.wait(10)
    state.update_data(seen=1)
    return "one"


def generated(event, *, state: FSMContext):
    assert Shown.event.wait(10)
    state.update_data(seen=1)
    yield "one"


async def generated_async(event, *, state: FSMContext):
    await shown()
    state.update_data(seen=1)
    yield "one"


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("handler", [awaited, called, generated, generated_async])
def test_handler_of_any_kind_shows_typing_and_works_as_before(handler, kind):
    transport = Shown(answer())
    Shown.event.clear()
    router = Router()
    router.observers[kind]()(typing_action(handler))
    state = conversation()

    async def main():
        async with bot_over(transport) as bot:
            event = decode_event({"eventId": 1, "type": kind, "payload": EVENTS[kind]}, bot)
            return await Dispatcher([router]).dispatch(event, bot, state)

    outcome = asyncio.run(asyncio.wait_for(main(), 10))
    assert outcome.error is None
    assert texts(outcome) == ["one"]
    assert outcome.handler.endswith(handler.__name__)
    assert state.get_value("seen") == 1
    assert transport.requests[0].url.path.endswith("chats/sendActions")
    assert transport.forms[0]["chatId"] == ["c"]


def test_handler_that_takes_no_event_is_refused():
    async def handler(*, state):
        """Takes no event."""

    with pytest.raises(ConfigurationError, match=r"handler .*typing_action needs a handler that takes the event"):
        typing_action(handler)
