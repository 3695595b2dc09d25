"""chats/*: the chats themselves; who is in them is in members.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from vkteams_bot.api.files import Upload
from vkteams_bot.api.methods.base import Method, MsgId, WireParams, endpoint
from vkteams_bot.api.methods.members import UserIds
from vkteams_bot.api.types import ChatInfo, CreatedChat


@endpoint("chats/createChat", CreatedChat)
class CreateChat(Method[CreatedChat]):
    """Make a group, or with `default_role="readonly"` a channel. Only for bots that the administrator allows it."""

    name: str
    about: str | None = dataclasses.field(default=None, kw_only=True)
    rules: str | None = dataclasses.field(default=None, kw_only=True)
    members: UserIds | None = dataclasses.field(default=None, kw_only=True)
    public: bool | None = dataclasses.field(default=None, kw_only=True)
    default_role: Literal["member", "readonly"] | None = dataclasses.field(default=None, kw_only=True)
    join_moderation: bool | None = dataclasses.field(default=None, kw_only=True)


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


@endpoint("chats/setTitle", safe_to_repeat=True)
class SetChatTitle(Method[bool]):
    """Change the title. The bot must be an admin."""

    chat_id: str
    title: str


@endpoint("chats/setAbout", safe_to_repeat=True)
class SetChatAbout(Method[bool]):
    """Change the description. The bot must be an admin."""

    chat_id: str
    about: str


@endpoint("chats/setRules", safe_to_repeat=True)
class SetChatRules(Method[bool]):
    """Change the rules. The bot must be an admin."""

    chat_id: str
    rules: str


@endpoint("chats/avatar/set", safe_to_repeat=True, upload_part="image")
class SetChatAvatar(Method[bool]):
    """Upload the chat's picture. The bot must be an admin."""

    chat_id: str
    file: Upload


@endpoint("chats/pinMessage", safe_to_repeat=True)
class PinMessage(Method[bool]):
    """Pin a message. The bot must be an admin."""

    chat_id: str
    msg_id: MsgId


@endpoint("chats/unpinMessage", safe_to_repeat=True)
class UnpinMessage(Method[bool]):
    """Unpin a message, by the id of the pinned one. The bot must be an admin."""

    chat_id: str
    msg_id: MsgId
