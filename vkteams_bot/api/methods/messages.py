"""messages/*"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, GetPydanticSchema

from vkteams_bot.api.files import Upload
from vkteams_bot.api.methods.base import Method, MsgId, endpoint
from vkteams_bot.api.types import Format, ParseMode, SentMessage
from vkteams_bot.api.types.messages import ParentTopic
from vkteams_bot.api.unset import UNSET, Unset
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.keyboards import InlineKeyboardBuilder, InlineKeyboardMarkup
from vkteams_bot.keyboards.inline_keyboard import ONE_ACTION
from vkteams_bot.text import Node
from vkteams_bot.text.ranges import Ranges


def _keyboard(value: Any) -> Any:
    if isinstance(value, InlineKeyboardBuilder):
        return value.as_markup()
    return _json(value)


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _read_as(kind: Any) -> GetPydanticSchema:
    """The annotation says what may be given; the value holds this."""
    return GetPydanticSchema(lambda _, handler: handler.generate_schema(kind))


Keyboard = Annotated[InlineKeyboardMarkup | InlineKeyboardBuilder | None, BeforeValidator(_keyboard)]
FormatParam = Annotated[Format | Ranges | None, _read_as(Format | None), BeforeValidator(_json)]
ParseModeParam = Annotated[ParseMode | Literal["HTML", "MarkdownV2"] | Unset | None, _read_as(ParseMode | Unset | None)]
ParentTopicParam = Annotated[ParentTopic | None, BeforeValidator(_json)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Keyboard:
    inline_keyboard_markup: Keyboard = None

    def check(self) -> None:
        markup = self.inline_keyboard_markup
        if isinstance(markup, InlineKeyboardMarkup) and not all(button.has_one_action for button in markup.buttons):
            raise InvalidCall(ONE_ACTION)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Styled(_Keyboard):
    """Text takes one way of styling: nodes, a parse mode, ranges, or none (`parse_mode=None`).

    Of nodes the value has the plain text and the ranges: no parser of markup can misread that.
    """

    parse_mode: ParseModeParam = UNSET
    format: FormatParam = None

    def __post_init__(self) -> None:
        has_parse_mode = self.parse_mode not in (None, UNSET)
        if self.format is not None and has_parse_mode:
            raise InvalidCall("give either format or parse_mode, not both")
        for name in ("text", "caption"):
            value = getattr(self, name, None)
            if isinstance(value, Node):
                if self.format is not None or has_parse_mode:
                    raise InvalidCall(f"{name}: nodes have their own styles, so give neither format nor parse_mode")
                self._write(name, value)

    def check(self) -> None:
        super().check()
        if getattr(self, "text", None) == "" and not getattr(self, "forward_msg_id", None):
            raise InvalidCall("text is empty: a message that forwards nothing needs at least one character")

    def _write(self, name: str, node: Node) -> None:
        text, ranges = node.as_format()
        object.__setattr__(self, name, text)
        object.__setattr__(self, "parse_mode", None)
        object.__setattr__(self, "format", Format.model_validate(ranges) if ranges else None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Quoting:
    reply_msg_id: MsgId | Sequence[MsgId] | None = None
    forward_chat_id: str | None = None
    forward_msg_id: MsgId | Sequence[MsgId] | None = None
    parent_topic: ParentTopicParam = None
    request_id: str | None = None


SEND_NAMES = {"parent_topic": "parent_topic", "request_id": "request-id"}


@endpoint("messages/sendText", SentMessage, logged=True, wire=SEND_NAMES)
class SendText(_Quoting, _Styled, Method[SentMessage]):
    """Send a message. A mention is `@[userId]` inside the text."""

    chat_id: str
    text: str | Node


@endpoint("messages/sendTextWithDeeplink", SentMessage, logged=True, wire=SEND_NAMES)
class SendTextWithDeeplink(_Quoting, _Styled, Method[SentMessage]):
    """Send a message with a deeplink; few installations allow it."""

    chat_id: str
    text: str | Node
    deeplink: str


class _WithFile:
    def __post_init__(self) -> None:
        super_post_init = getattr(super(), "__post_init__", None)
        if super_post_init is not None:
            super_post_init()
        if (getattr(self, "file", None) is None) == (getattr(self, "file_id", None) is None):
            raise InvalidCall("give exactly one of file and file_id")


@endpoint("messages/sendFile", SentMessage, logged=True, upload_part="file", wire=SEND_NAMES)
class SendFile(_WithFile, _Quoting, _Styled, Method[SentMessage]):
    """Upload a file, or send one again by its `file_id`."""

    chat_id: str
    file: Upload | None = None
    file_id: str | None = dataclasses.field(default=None, kw_only=True)
    caption: str | Node | None = dataclasses.field(default=None, kw_only=True)


@endpoint("messages/sendVoice", SentMessage, logged=True, upload_part="file", wire=SEND_NAMES)
class SendVoice(_WithFile, _Quoting, _Keyboard, Method[SentMessage]):
    """Upload a voice message (aac, ogg or m4a), or send one again by its `file_id`."""

    chat_id: str
    file: Upload | None = None
    file_id: str | None = dataclasses.field(default=None, kw_only=True)


@endpoint("messages/editText", safe_to_repeat=True, logged=True)
class EditText(_Styled, Method[bool]):
    """Change the text of one of the bot's messages."""

    chat_id: str
    msg_id: MsgId
    text: str | Node


@endpoint("messages/deleteMessages", safe_to_repeat=True, logged=True)
class DeleteMessages(Method[bool]):
    """Delete messages younger than 48 hours: own ones, or anybody's where the bot is admin."""

    chat_id: str
    msg_id: MsgId | Sequence[MsgId]


@endpoint("messages/answerCallbackQuery", safe_to_repeat=True)
class AnswerCallbackQuery(Method[bool]):
    """End the progress indicator on a pressed button (within about 30 s of the press)."""

    query_id: str
    text: str | None = dataclasses.field(default=None, kw_only=True)
    show_alert: bool | None = dataclasses.field(default=None, kw_only=True)
    url: str | None = dataclasses.field(default=None, kw_only=True)
