"""chats/*"""

from __future__ import annotations

from collections.abc import Sequence

from vkteams_bot.api.methods.base import Method, WireParams, endpoint
from vkteams_bot.api.types import ChatInfo


@endpoint("chats/getInfo", ChatInfo, safe_to_repeat=True)
class GetChatInfo(Method[ChatInfo]):
    """Profile of a chat or person, by id or nick."""

    chat_id: str


@endpoint("chats/sendActions", safe_to_repeat=True)
class SendActions(Method[bool]):
    """Show what the bot is doing: `looking`, `typing`; nothing = finished. Holds for about ten seconds."""

    chat_id: str
    actions: str | Sequence[str] = ()

    def params(self, default_parse_mode: str | None = None) -> WireParams:
        params = super().params(default_parse_mode)
        params["actions"] = params["actions"] or ""
        return params
