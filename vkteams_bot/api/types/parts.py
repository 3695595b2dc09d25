"""Parts of a message. A part we do not know, or cannot read, is kept as UnknownPart: it never costs the message."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, TypeAlias, TypeVar, Unpack, overload

from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import from_json

from vkteams_bot.api.destinations import Destination, FileSaver
from vkteams_bot.api.types.base import BoundObject, WireObject
from vkteams_bot.api.types.chats import Chat, User
from vkteams_bot.api.types.downloading import AllDownloads, DownloadOptions
from vkteams_bot.api.types.formatting import Format
from vkteams_bot.api.types.shortcuts import Sendable
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.keyboards import InlineKeyboardMarkup

W = TypeVar("W", bound=BinaryIO)


def _or_none(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Some servers send JSON as a text."""
    try:
        return handler(from_json(value) if isinstance(value, str) else value)
    except ValueError:
        return None


# Styles decorate a text: unreadable ones are dropped, the text stays.
LenientFormat = Annotated[Format | None, WrapValidator(_or_none)]


class Downloading(BoundObject):
    """What can be downloaded."""

    @overload
    def download(self, **options: Unpack[DownloadOptions]) -> Sendable[bytes]: ...
    @overload
    def download(self, destination: str | os.PathLike[str], **options: Unpack[DownloadOptions]) -> Sendable[Path]: ...
    @overload
    def download(self, destination: FileSaver, **options: Unpack[DownloadOptions]) -> Sendable[str]: ...
    @overload
    def download(self, destination: W, **options: Unpack[DownloadOptions]) -> Sendable[W]: ...
    def download(self, destination: Destination = None, **options: Unpack[DownloadOptions]) -> Sendable[Any]:
        """As `bot.download` does; of a message its first file, voice or sticker. Raises InvalidCall without one."""
        result: Sendable[Any] = self.bot.download(self._downloaded(), destination, **options)
        return result

    def _downloaded(self) -> Any:
        return self


class StickerPayload(Downloading):
    file_id: str


class StickerPart(WireObject):
    type: Literal["sticker"]
    payload: StickerPayload


class FilePayload(Downloading):
    """`type` is image, audio or video; None for a document."""

    file_id: str
    type: str | None = None
    caption: str | None = None
    format: LenientFormat = None


class FilePart(WireObject):
    type: Literal["file"]
    payload: FilePayload


class VoicePayload(Downloading):
    file_id: str


class VoicePart(WireObject):
    type: Literal["voice"]
    payload: VoicePayload


class MentionPart(WireObject):
    type: Literal["mention"]
    payload: User


Attachment: TypeAlias = FilePayload | VoicePayload | StickerPayload


class Content(Downloading):
    """What a message says and carries, be it received, quoted or pinned."""

    text: str | None = None
    format: LenientFormat = None
    parts: tuple[Part, ...] = ()

    @property
    def caption(self) -> str | None:
        """The caption of the first file that has one."""
        return next((file.caption for file in self.files if file.caption), None)

    @property
    def content(self) -> str | None:
        """The caption, else the text; for a sticker or a file without caption servers put its address there."""
        return self.caption or self.text

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """Files, voice and stickers in the order of the message."""
        return tuple(part.payload for part in self.parts if isinstance(part, FilePart | VoicePart | StickerPart))

    @property
    def files(self) -> tuple[FilePayload, ...]:
        return tuple(part.payload for part in self.parts if isinstance(part, FilePart))

    @property
    def sticker(self) -> StickerPayload | None:
        return next((part.payload for part in self.parts if isinstance(part, StickerPart)), None)

    @property
    def voice(self) -> VoicePayload | None:
        return next((part.payload for part in self.parts if isinstance(part, VoicePart)), None)

    @property
    def mentions(self) -> tuple[User, ...]:
        return tuple(part.payload for part in self.parts if isinstance(part, MentionPart))

    @property
    def mentioned_user_ids(self) -> tuple[str, ...]:
        return tuple(user.user_id for user in self.mentions)

    def _downloaded(self) -> Attachment:
        if not self.attachments:
            raise InvalidCall("this message carries no file, voice or sticker")
        return self.attachments[0]

    def download_all(self, directory: str | os.PathLike[str], **options: Unpack[DownloadOptions]) -> AllDownloads:
        """Download every file, voice and sticker to a directory, under safe names that are free there."""
        inside = os.path.join(directory, "")
        return AllDownloads([partial(self.bot.download, file, inside, **options) for file in self.attachments])


class QuotedMessage(Content):
    """A message inside a reply or forward. It often lacks its chat."""

    from_user: User | None = Field(default=None, alias="from")
    msg_id: str
    timestamp: int | None = None
    chat: Chat | None = None


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

for _model in (Content, QuotedMessage, QuotePayload, ForwardPart, ReplyPart):
    _model.model_rebuild()
