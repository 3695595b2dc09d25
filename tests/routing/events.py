"""Events and contexts for the tests of routing and state."""

import asyncio

from vkteams_bot.api import Bot
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.fsm import FSMContext, StateKey, StateRecord
from vkteams_bot.routing import Dispatcher

BOT = Bot("001.1234567890.0987654321:1000000001", "http://127.0.0.1:1/bot/v1")
ANN = {"userId": "ann@corp"}


def event_of(kind, payload):
    return decode_event({"eventId": 1, "type": kind, "payload": payload}, BOT)


def message_event(text="hi", *, chat=None, sender=ANN, kind="newMessage", **more):
    chat = chat or {"chatId": sender["userId"], "type": "private"}
    payload = {"chat": chat, "from": sender, "msgId": "1", "timestamp": 1, "text": text, **more}
    return event_of(kind, payload)


def press_event(data="x", *, sender=ANN, chat=None, **more):
    chat = chat or {"chatId": sender["userId"], "type": "private"}
    message = {"chat": chat, "from": {"userId": "1", "nick": "bot"}, "msgId": "2", "timestamp": 1, **more}
    return event_of("callbackQuery", {"queryId": "q", "from": sender, "callbackData": data, "message": message})


def conversation(state=None, data=None):
    return FSMContext(StateKey("default", "ann@corp", "ann@corp"), StateRecord(state, data or {}))


def dispatch(routers, event=None, *, state=None, bot=BOT, **options):
    """Dispatch one event through new routers; the state is a new conversation unless given."""
    routers = routers if isinstance(routers, list) else [routers]
    dispatcher = Dispatcher(routers, **options)
    return asyncio.run(dispatcher.dispatch(event or message_event(), bot, state or conversation()))


def texts(outcome):
    return [reply.text for reply in outcome.replies]
