"""StyledText: plain text and ranges as a parser finds them."""

from __future__ import annotations

from typing import Any

from vkteams_bot.emulator.message import Ranges

FORMAT_ERROR = "Format error"


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units: what ranges count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


class StyledText:
    """`length` is in UTF-16 units."""

    def __init__(self) -> None:
        self.length = 0
        self._pieces: list[str] = []
        self._ranges: dict[str, list[dict[str, Any]]] = {}

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self.length += utf16_length(text)

    def mark(self, style: str, start: int, *, end: int | None = None, url: str = "", code: str = "") -> None:
        """Style what was written between two places; an empty range is dropped, one inside takes up its like."""
        end = self.length if end is None else end
        if end <= start:
            return
        ranges = self._ranges.setdefault(style, [])
        while ranges and ranges[-1]["offset"] >= start:
            ranges.pop()
        ranges.append(
            {"offset": start, "length": end - start} | ({"url": url} if url else {}) | ({"code": code} if code else {})
        )

    def result(self) -> tuple[str, Ranges]:
        return "".join(self._pieces), self._ranges
