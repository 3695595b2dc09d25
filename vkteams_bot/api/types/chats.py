"""People and chats."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from vkteams_bot.api.types.base import WireObject

Id = Annotated[str, Field(min_length=1, max_length=255)]


class ChatType(enum.StrEnum):
    PRIVATE = "private"
    GROUP = "group"
    CHANNEL = "channel"


class User(WireObject):
    """A person or a bot, as events name them. Bots have `nick` and no `last_name`."""

    user_id: Id
    first_name: str | None = None
    last_name: str | None = None
    nick: str | None = None

    @property
    def full_name(self) -> str:
        """First and last name; the id when there is no name."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.user_id

    @property
    def mention(self) -> str:
        """The text that mentions this user in any parse mode but MarkdownV2."""
        return f"@[{self.user_id}]"


class Chat(WireObject):
    """`type` is one of ChatType, or whatever a newer server says. A private chat's id is the peer's user id."""

    chat_id: Id
    type: str
    title: str | None = None


class Photo(WireObject):
    url: str


class BotInfo(WireObject):
    """Answer of `self/get`."""

    user_id: str
    nick: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    about: str | None = None
    photo: tuple[Photo, ...] = ()


class ChatInfo(WireObject):
    """Answer of `chats/getInfo`; which fields stand depends on `type`."""

    type: str
    title: str | None = None
    about: str | None = None
    rules: str | None = None
    invite_link: str | None = None
    public: bool | None = None
    join_moderation: bool | None = None
    first_name: str | None = None
    last_name: str | None = None
    nick: str | None = None
    language: str | None = None
    phone: str | None = None
    is_bot: bool = False
    photo: tuple[Photo, ...] = ()
