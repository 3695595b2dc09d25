"""Filters on where an event comes from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vkteams_bot.routing.filters.base import BaseFilter


class ChatTypeFilter(BaseFilter):
    """The chat is of this type, or of one of these: `private`, `group`, `channel`."""

    def __init__(self, chat_type: str | Iterable[str]) -> None:
        self.chat_types = frozenset({chat_type} if isinstance(chat_type, str) else chat_type)

    def __call__(self, event: Any) -> bool:
        return event.chat.type in self.chat_types


class SenderFilter(BaseFilter):
    """The event is by this user, or by one of these."""

    def __init__(self, user_id: str | Iterable[str]) -> None:
        self.user_ids = frozenset({user_id} if isinstance(user_id, str) else user_id)

    def __call__(self, event: Any) -> bool:
        user = getattr(event, "from_user", None)
        return user is not None and user.user_id in self.user_ids
