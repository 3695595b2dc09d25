"""Change: what the people of a chat see happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vkteams_bot.emulator.chat import ChatView

Kind = Literal["message", "edited", "deleted", "action", "callback_answer", "chats", "reset"]


@dataclass(frozen=True, slots=True)
class Change:
    """`user_ids` are the people who see it. `chat` is None for reset. The payload by kind:

    message, edited: as in `World.history` · deleted: msgId · action: from, action (looking, typing or none) ·
    callback_answer: queryId, text, showAlert, url · chats, reset: nothing.
    """

    kind: Kind
    chat: ChatView | None
    payload: dict[str, Any]
    user_ids: set[str]


Listener = Callable[[Change], object]
