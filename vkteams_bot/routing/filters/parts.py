"""Filters on what a message carries besides its text."""

from __future__ import annotations

from typing import Any, ClassVar

from vkteams_bot.api.types import FilePart, ForwardPart, MentionPart, ReplyPart, StickerPart, VoicePart
from vkteams_bot.routing.filters.base import BaseFilter


class _PartFilter(BaseFilter):
    part: ClassVar[type]

    def __call__(self, event: Any) -> bool:
        return any(isinstance(part, self.part) for part in getattr(event, "parts", ()))


class ReplyFilter(_PartFilter):
    """The message answers another."""

    part = ReplyPart


class ForwardFilter(_PartFilter):
    """The message forwards others."""

    part = ForwardPart


class VoiceFilter(_PartFilter):
    """The message is a voice message."""

    part = VoicePart


class StickerFilter(_PartFilter):
    """The message has a sticker."""

    part = StickerPart


class FileFilter(BaseFilter):
    """The message has a file of any kind."""

    kind: ClassVar[str | None] = None

    def __call__(self, event: Any) -> bool:
        files = (part.payload for part in getattr(event, "parts", ()) if isinstance(part, FilePart))
        return any(self.kind is None or file.type == self.kind for file in files)


class ImageFilter(FileFilter):
    """The message has an image."""

    kind = "image"


class VideoFilter(FileFilter):
    """The message has a video."""

    kind = "video"


class AudioFilter(FileFilter):
    """The message has an audio file; a voice message is none."""

    kind = "audio"


class MentionFilter(BaseFilter):
    """The message mentions somebody, or this user."""

    def __init__(self, user_id: str | None = None) -> None:
        self.user_id = user_id

    def __call__(self, event: Any) -> bool:
        users = (part.payload for part in getattr(event, "parts", ()) if isinstance(part, MentionPart))
        return any(self.user_id is None or user.user_id == self.user_id for user in users)
