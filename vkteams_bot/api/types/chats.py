"""People and chats."""

from __future__ import annotations

import enum
from typing import Annotated, Any

from pydantic import Field, model_validator

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


def type_of(chat_id: str) -> ChatType:
    """The type of a chat as its id shows it (botapi.md §1.8): a channel's looks as a group's does."""
    return ChatType.GROUP if chat_id.endswith("@chat.agent") else ChatType.PRIVATE


class Chat(WireObject):
    """`type` is one of ChatType, or whatever a newer server says; where it says nothing, what the id shows.

    A private chat's id is the peer's user id.
    """

    chat_id: Id
    type: str
    title: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_type(cls, value: Any) -> Any:
        if isinstance(value, dict) and not isinstance(value.get("type"), str):
            chat_id = value.get("chatId", value.get("chat_id"))
            if isinstance(chat_id, str):
                return {**value, "type": type_of(chat_id)}
        return value


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
