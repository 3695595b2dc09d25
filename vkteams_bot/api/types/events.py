"""Events of `events/get`: nine that are known, and a shape for everything else (botapi.md §3)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import Field, ValidationError

from vkteams_bot.api.types.base import BoundObject
from vkteams_bot.api.types.chats import Chat, User
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
    new_members: tuple[User, ...]
    added_by: User | None = None


class LeftChatMembers(ChatEvent):
    """`removed_by` is None when they left by themselves."""

    left_members: tuple[User, ...]
    removed_by: User | None = None


class ChangedChatInfo(ChatEvent):
    """Which fields stand depends on what changed and on the server."""

    from_user: User | None = Field(default=None, alias="from")
    title: str | None = None
    new_title: str | None = None
    new_about: str | None = None
    new_rules: str | None = None


class CallbackQuery(BoundObject):
    """A press on a button. `message` is the bot's message that carries the button."""

    query_id: str
    from_user: User = Field(alias="from")
    callback_data: str = ""
    message: Message | None = None
    payload_chat: Chat | None = Field(default=None, alias="chat")

    @property
    def chat(self) -> Chat:
        """The chat of the press. The specification has it on top, live servers inside `message`."""
        if self.payload_chat is not None:
            return self.payload_chat
        if self.message is not None:
            return self.message.chat
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
        payload = model.model_validate(raw.get("payload"), context={"bot": bot})
    except ValidationError as error:
        problem = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
        return Event(event_id, kind, raw, None, f"the payload is not a {kind}: {problem}")
    return Event(event_id, kind, raw, payload)


def _event_id(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_EVENT_ID:
        return value
    return None
