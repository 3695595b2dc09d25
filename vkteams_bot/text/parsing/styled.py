"""StyledText: plain text and ranges as a parser finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

from vkteams_bot.text.ranges import Ranges
from vkteams_bot.text.styles import exclude, utf16_length

Measure = Callable[[str], int]


class MarkupError(ValueError):
    """Markup that a server refuses. `piece` is the first one that cannot stand where it stands."""

    def __init__(self, piece: str) -> None:
        super().__init__(f"{piece!r} cannot stand there")
        self.piece = piece


class StyledText:
    """`measure` tells the length of a text in the units of ranges, and so does `length`."""

    def __init__(self, measure: Measure = utf16_length) -> None:
        self.length = 0
        self._measure = measure
        self._pieces: list[str] = []
        self._ranges: Ranges = {}

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self.length += self._measure(text)

    def mark(self, style: str, start: int, *, end: int | None = None, url: str = "", code: str = "") -> None:
        """Style what was written between two places, after all that is styled inside of it.

        An empty range is dropped. One takes up its like inside and leaves out what it may not share, but `pre` takes up
        everything.
        """
        end = self.length if end is None else end
        if end <= start:
            return
        for name in [*self._ranges] if style == "pre" else [style]:
            self._take_from(name, start)
        details = ({"url": url} if url else {}) | ({"code": code} if code else {})
        for left, right in _apart(start, end, self._excluded(style, start)):
            self._ranges.setdefault(style, []).append({"offset": left, "length": right - left, **details})

    def result(self) -> tuple[str, Ranges]:
        return "".join(self._pieces), {style: items for style, items in self._ranges.items() if items}

    def _take_from(self, style: str, start: int) -> None:
        """Drop the ranges of a style from a place on; they ascend."""
        ranges = self._ranges.get(style, [])
        while ranges and ranges[-1]["offset"] >= start:
            ranges.pop()

    def _excluded(self, style: str, start: int) -> list[tuple[int, int]]:
        """The places from `start` on that have a style which excludes this one."""
        spans: list[tuple[int, int]] = []
        for other, ranges in self._ranges.items():
            if exclude(style, other):
                spans += map(_span, takewhile(lambda item: item["offset"] >= start, reversed(ranges)))
        return sorted(spans)


def may_stand(ranges: Ranges, text_length: int) -> bool:
    """Whether ranges are in the text, those of a style apart, and none where another excludes it (botapi.md §4.3)."""
    open_until: dict[str, int] = {}
    for start, end, style in sorted((*_span(item), style) for style, items in ranges.items() for item in items):
        if end > text_length:
            return False
        open_until = {other: other_end for other, other_end in open_until.items() if other_end > start}
        if any(style == other or exclude(style, other) for other in open_until):
            return False
        open_until[style] = end
    return True


def _span(item: dict[str, Any]) -> tuple[int, int]:
    return item["offset"], item["offset"] + item["length"]


def _apart(start: int, end: int, holes: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What is left of a range without the holes, which ascend."""
    for hole_start, hole_end in [*holes, (end, end)]:
        if start < min(hole_start, end):
            yield start, min(hole_start, end)
        start = max(start, hole_end)
