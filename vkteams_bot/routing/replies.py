"""From what a handler returned to the methods that will be sent."""

from __future__ import annotations

from collections.abc import Coroutine
from types import GeneratorType
from typing import Any

from vkteams_bot.api.call import Call
from vkteams_bot.api.delayed import Delayed
from vkteams_bot.api.methods import Method
from vkteams_bot.api.types import SentMessage
from vkteams_bot.exceptions import RoutingError
from vkteams_bot.text import Node

# Results of calls that were awaited, sent or delayed: a message, True, or rows of the outbox.
DONE = (SentMessage, bool, Delayed)


def replies_of(result: Any, *, bot: Any, chat_id: str, handler: str) -> tuple[Method[Any], ...]:
    """A text or node is a message to the chat, a Call or Method is itself, a collection is several of them.

    What an awaited call gave (`return await message.answer(...)`) is sent already and adds nothing.
    Raises RoutingError for anything else.
    """
    if result is None or isinstance(result, DONE):
        return ()
    if isinstance(result, list | tuple | GeneratorType):
        return tuple([_reply(item, bot, chat_id, handler) for item in result if not isinstance(item, DONE)])
    return (_reply(result, bot, chat_id, handler),)


def _reply(value: Any, bot: Any, chat_id: str, handler: str) -> Method[Any]:
    if isinstance(value, str | Node):
        value = bot.send_text(chat_id, value)
    if isinstance(value, Call):
        return value.take()
    if isinstance(value, Method):
        return value
    if isinstance(value, Coroutine):
        value.close()
        raise RoutingError(f"{handler} returned a coroutine: await it, or declare the handler `async def`")
    raise RoutingError(
        f"{handler} returned {type(value).__name__}; a reply is a text, a node such as Bold(...), "
        "a call such as message.answer(...), a method, or a list of these"
    )
