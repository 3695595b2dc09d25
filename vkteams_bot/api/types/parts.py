"""Parts of a message. A part we do not know, or cannot read, is kept as UnknownPart: it never costs the message."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator

from vkteams_bot.api.types.base import WireObject
from vkteams_bot.api.types.chats import Chat, User
from vkteams_bot.api.types.formatting import Format
from vkteams_bot.keyboards import InlineKeyboardMarkup


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValueError:
        return None


# Styles decorate a text: unreadable ones are dropped, the text stays.
LenientFormat = Annotated[Format | None, WrapValidator(_or_none)]


class StickerPayload(WireObject):
    file_id: str


class StickerPart(WireObject):
    type: Literal["sticker"]
    payload: StickerPayload


class FilePayload(WireObject):
    """`type` is image, audio or video; None for a document."""

    file_id: str
    type: str | None = None
    caption: str | None = None
    format: LenientFormat = None


class FilePart(WireObject):
    type: Literal["file"]
    payload: FilePayload


class VoicePayload(WireObject):
    file_id: str


class VoicePart(WireObject):
    type: Literal["voice"]
    payload: VoicePayload


class MentionPart(WireObject):
    type: Literal["mention"]
    payload: User


class QuotedMessage(WireObject):
    """A message inside a reply or forward. It often lacks its chat."""

    from_user: User | None = Field(default=None, alias="from")
    msg_id: str
    text: str | None = None
    format: LenientFormat = None
    timestamp: int | None = None
    chat: Chat | None = None
    parts: tuple[Part, ...] = ()


class QuotePayload(WireObject):
    message: QuotedMessage


class ForwardPart(WireObject):
    type: Literal["forward"]
    payload: QuotePayload


class ReplyPart(WireObject):
    type: Literal["reply"]
    payload: QuotePayload


class KeyboardPart(WireObject):
    type: Literal["inlineKeyboardMarkup"]
    payload: InlineKeyboardMarkup


class UnknownPart(WireObject):
    type: str = ""
    payload: Any = None


KnownPart = Annotated[
    StickerPart | FilePart | VoicePart | MentionPart | ForwardPart | ReplyPart | KeyboardPart,
    Field(discriminator="type"),
]


def _known_or_unknown(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValueError:
        if isinstance(value, dict):
            kind = value.get("type")
            return UnknownPart.model_construct(type=kind if isinstance(kind, str) else "", payload=value.get("payload"))
        return UnknownPart(payload=value)


Part = Annotated[KnownPart | UnknownPart, WrapValidator(_known_or_unknown)]

for _model in (QuotedMessage, QuotePayload, ForwardPart, ReplyPart):
    _model.model_rebuild()
