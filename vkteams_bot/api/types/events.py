"""Events of `events/get`: nine that are known, and a shape for everything else (botapi.md §3)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from vkteams_bot.api.lenient import problems_of, validate
from vkteams_bot.api.types.base import BoundObject
from vkteams_bot.api.types.chats import Chat, Id, User
from vkteams_bot.api.types.messages import (
    ChatEvent,
    DeletedMessage,
    EditedMessage,
    Message,
    PinnedMessage,
    UnpinnedMessage,
)
from vkteams_bot.api.types.shortcuts import Sendable

LARGEST_EVENT_ID = 2**63 - 1


class EventType(enum.StrEnum):
    NEW_MESSAGE = "newMessage"
    EDITED_MESSAGE = "editedMessage"
    DELETED_MESSAGE = "deletedMessage"
    PINNED_MESSAGE = "pinnedMessage"
    UNPINNED_MESSAGE = "unpinnedMessage"
    NEW_CHAT_MEMBERS = "newChatMembers"
    LEFT_CHAT_MEMBERS = "leftChatMembers"
    CHANGED_CHAT_INFO = "changedChatInfo"
    CALLBACK_QUERY = "callbackQuery"


class NewChatMembers(ChatEvent):
    """`added_by` is None when nobody is named: they came by a link, or the server does not say."""

    new_members: tuple[User, ...] = ()
    added_by: User | None = None


class LeftChatMembers(ChatEvent):
    """`removed_by` is None when they left by themselves."""

    left_members: tuple[User, ...] = ()
    removed_by: User | None = None


class ChangedChatInfo(ChatEvent):
    """Which fields stand depends on what changed and on the server."""

    from_user: User | None = Field(default=None, alias="from")
    title: str | None = None
    new_title: str | None = None
    new_about: str | None = None
    new_rules: str | None = None


class CallbackQuery(BoundObject):
    """A press on a button. `message` is the bot's message that carries the button.

    Servers leave out what they like: `from_user` and `message` may be None, `callback_data` "".
    """

    query_id: Id
    from_user: User | None = Field(default=None, alias="from")
    callback_data: str = ""
    message: Message | None = None
    payload_chat: Chat | None = Field(default=None, alias="chat")

    @model_validator(mode="before")
    @classmethod
    def _tidied(cls, value: Any) -> Any:
        """Some servers give the whole event of the message; of a message that cannot be read its chat still counts."""
        message = value.get("message") if isinstance(value, dict) else None
        if not isinstance(message, dict):
            return value
        if "msgId" not in message and isinstance(message.get("payload"), dict):
            message = message["payload"]
        chat = value.get("chat") or message.get("chat")
        return {**value, "message": message} | ({"chat": chat} if chat else {})

    @field_validator("message", mode="before")
    @classmethod
    def _readable(cls, value: Any, info: ValidationInfo) -> Any:
        """A message that cannot be read does not cost the press."""
        try:
            return validate(Message, value, info.context or {}, items=True) if isinstance(value, dict) else value
        except ValidationError:
            return None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.payload_chat is None and self.message is None and self.from_user is None:
            raise ValueError("the press names neither chat, nor message, nor person")
        return self

    @property
    def chat(self) -> Chat:
        """The chat of the press. The specification has it on top, live servers inside `message`."""
        if self.payload_chat is not None:
            return self.payload_chat
        if self.message is not None:
            return self.message.chat
        assert self.from_user is not None  # see _somewhere
        return Chat(chat_id=self.from_user.user_id, type="private")

    def answer(
        self, text: str | None = None, *, show_alert: bool | None = None, url: str | None = None
    ) -> Sendable[bool]:
        """End the progress indicator; with `text` show a toast (or an alert), with `url` open it."""
        result: Sendable[bool] = self.bot.answer_callback_query(
            self.query_id, text=text, show_alert=show_alert, url=url
        )
        return result


Payload: TypeAlias = (
    Message
    | EditedMessage
    | DeletedMessage
    | PinnedMessage
    | UnpinnedMessage
    | NewChatMembers
    | LeftChatMembers
    | ChangedChatInfo
    | CallbackQuery
)

PAYLOADS: dict[str, type[Payload]] = {
    EventType.NEW_MESSAGE: Message,
    EventType.EDITED_MESSAGE: EditedMessage,
    EventType.DELETED_MESSAGE: DeletedMessage,
    EventType.PINNED_MESSAGE: PinnedMessage,
    EventType.UNPINNED_MESSAGE: UnpinnedMessage,
    EventType.NEW_CHAT_MEMBERS: NewChatMembers,
    EventType.LEFT_CHAT_MEMBERS: LeftChatMembers,
    EventType.CHANGED_CHAT_INFO: ChangedChatInfo,
    EventType.CALLBACK_QUERY: CallbackQuery,
}


@dataclass(frozen=True, slots=True)
class Event:
    """One item of a batch. `payload` is None, and `problem` says why, when the item could not be read.

    `event_id` is None when the item has no usable number. `raw` is the item as it came.
    """

    event_id: int | None
    type: str
    raw: Any
    payload: Payload | None
    problem: str | None = None


def decode_event(raw: Any, bot: Any) -> Event:
    """Read one item of a batch. Never raises: what cannot be read comes back with `problem`."""
    if not isinstance(raw, dict):
        return Event(None, "", raw, None, f"an event is a JSON object, not {type(raw).__name__}")
    event_id = _event_id(raw.get("eventId"))
    kind = raw.get("type")
    if not isinstance(kind, str):
        return Event(event_id, "", raw, None, "the event has no type")
    if event_id is None:
        return Event(None, kind, raw, None, "the event has no usable eventId")
    model = PAYLOADS.get(kind)
    if model is None:
        return Event(event_id, kind, raw, None, f"unknown event type {kind!r}")
    return _decode_payload(event_id, kind, raw, model, bot)


def _decode_payload(event_id: int, kind: str, raw: Mapping[str, Any], model: type[Payload], bot: Any) -> Event:
    try:
        payload = validate(model, raw.get("payload"), {"bot": bot}, items=True)
    except ValidationError as error:
        return Event(event_id, kind, raw, None, f"the payload is not a {kind}: {problems_of(error)}")
    return Event(event_id, kind, raw, payload)


def _event_id(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_EVENT_ID:
        return value
    return None
