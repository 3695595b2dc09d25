"""FileStore: what was uploaded."""

from __future__ import annotations

from collections import OrderedDict
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

    @property
    def type(self) -> str | None:
        """image, video or audio; None for a document."""
        return "audio" if self.voice else file_type(self.filename)

    def part(self, caption: str = "", ranges: dict[str, Any] | None = None, *, voice: bool = False) -> dict[str, Any]:
        """The part of a message that shows it."""
        if voice:
            return {"type": "voice", "payload": {"fileId": self.file_id}}
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

    def __init__(self, identifiers: Identifiers) -> None:
        self._identifiers = identifiers
        self._files: OrderedDict[str, StoredFile] = OrderedDict()
        self._bytes = 0

    def add(self, filename: str, content: bytes, *, voice: bool = False) -> StoredFile:
        """Raises Refusal when there is nothing in it."""
        if not content:
            raise Refusal("Invalid file")
        stored = StoredFile(self._identifiers.file(filename, voice=voice), filename or "file", content, voice)
        self._files[stored.file_id] = stored
        self._bytes += len(content)
        while self._bytes > KEPT_BYTES and len(self._files) > 1:
            self._bytes -= len(self._files.popitem(last=False)[1].content)
        return stored

    def find(self, file_id: str) -> StoredFile:
        """Raises Refusal."""
        try:
            return self._files[file_id]
        except KeyError:
            raise Refusal("Invalid file") from None

    def clear(self) -> None:
        self._files.clear()
        self._bytes = 0
