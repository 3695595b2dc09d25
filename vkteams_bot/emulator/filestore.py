"""FileStore: what was uploaded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vkteams_bot.emulator.identifiers import Identifiers, file_type
from vkteams_bot.emulator.refusal import Refusal

KEPT_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredFile:
    file_id: str
    filename: str
    content: bytes
    voice: bool = False
    sticker: bool = False

    @property
    def type(self) -> str | None:
        """image, video or audio; None for a document."""
        if self.voice or self.sticker:
            return "audio" if self.voice else "image"
        return file_type(self.filename)

    def part(self, caption: str = "", ranges: dict[str, Any] | None = None, *, voice: bool = False) -> dict[str, Any]:
        """The part of a message that shows it."""
        if voice:
            return {"type": "voice", "payload": {"fileId": self.file_id}}
        if self.sticker:
            return {"type": "sticker", "payload": {"fileId": self.file_id}}
        payload: dict[str, Any] = {"fileId": self.file_id}
        if self.type:
            payload["type"] = self.type
        if caption:
            payload["caption"] = caption
        if caption and ranges:
            payload["format"] = ranges
        return {"type": "file", "payload": payload}


class FileStore:
    """Files in memory; beyond 512 MB the oldest are forgotten."""

    def __init__(self, identifiers: Identifiers, clock: Callable[[], float]) -> None:
        self._identifiers = identifiers
        self._clock = clock
        self._files: OrderedDict[str, StoredFile] = OrderedDict()
        self._offered: dict[str, float] = {}
        self._bytes = 0

    def add(self, filename: str, content: bytes, *, voice: bool = False, sticker: bool = False) -> StoredFile:
        """Raises Refusal when there is nothing in it."""
        if not content:
            raise Refusal("Invalid file")
        file_id = self._identifiers.file(filename, voice=voice, sticker=sticker)
        self._files[file_id] = StoredFile(file_id, filename or "file", content, voice, sticker)
        self._bytes += len(content)
        while self._bytes > KEPT_BYTES and len(self._files) > 1:
            oldest_id, oldest = self._files.popitem(last=False)
            self._bytes -= len(oldest.content)
            self._offered.pop(oldest_id, None)
        return self.offer(file_id)

    def offer(self, file_id: str) -> StoredFile:
        """The file, whose address is good from now on. Raises Refusal."""
        stored = self.find(file_id)
        self._offered[file_id] = self._clock()
        return stored

    def is_offered(self, file_id: str, seconds: float) -> bool:
        """Whether the address of a file is still good; 0 seconds are without end."""
        return not seconds or self._clock() - self._offered.get(file_id, 0.0) <= seconds

    def find(self, file_id: str) -> StoredFile:
        """Raises Refusal."""
        try:
            return self._files[file_id]
        except KeyError:
            raise Refusal("Invalid file") from None

    def clear(self) -> None:
        self._files.clear()
        self._offered.clear()
        self._bytes = 0
