"""FormatBuilder: the `format` JSON by hand (botapi.md §4.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text.ranges import Ranges
from vkteams_bot.text.styles import MENTION, NAMES, checked_language, checked_url, exclude, utf16_length


class _Range(NamedTuple):
    """In characters of the text."""

    start: int
    end: int
    style: str
    details: dict[str, str]

    def __str__(self) -> str:
        return f"{self.style} {self.start}..{self.end}"


class FormatBuilder:
    """Styles parts of a plain text. Parts are given as Python counts, in characters; the result is in UTF-16 units.

    The `…_text` methods style the first place where a part occurs, with `all=True` each. Any method raises InvalidCall
    for what is not in the text. The text is sent unchanged beside `format=builder.build()`.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._ranges: list[_Range] = []

    def bold(self, offset: int, length: int) -> Self:
        return self._add("bold", offset, length)

    def bold_text(self, part: str, *, all: bool = False) -> Self:
        return self._find("bold", part, all)

    def italic(self, offset: int, length: int) -> Self:
        return self._add("italic", offset, length)

    def italic_text(self, part: str, *, all: bool = False) -> Self:
        return self._find("italic", part, all)

    def underline(self, offset: int, length: int) -> Self:
        return self._add("underline", offset, length)

    def underline_text(self, part: str, *, all: bool = False) -> Self:
        return self._find("underline", part, all)

    def strikethrough(self, offset: int, length: int) -> Self:
        return self._add("strikethrough", offset, length)

    def strikethrough_text(self, part: str, *, all: bool = False) -> Self:
        return self._find("strikethrough", part, all)

    def code(self, offset: int, length: int) -> Self:
        return self._add("inline_code", offset, length)

    def code_text(self, part: str, *, all: bool = False) -> Self:
        return self._find("inline_code", part, all)

    def link(self, offset: int, length: int, url: str) -> Self:
        return self._add("link", offset, length, url=checked_url(url))

    def link_text(self, part: str, url: str, *, all: bool = False) -> Self:
        return self._find("link", part, all, url=checked_url(url))

    def pre(self, offset: int, length: int, language: str | None = None) -> Self:
        return self._add("pre", offset, length, code=checked_language(language))

    def pre_text(self, part: str, language: str | None = None, *, all: bool = False) -> Self:
        return self._find("pre", part, all, code=checked_language(language))

    def mention(self, offset: int, length: int) -> Self:
        """The part is `@[userId]`, brackets included."""
        return self._add("mention", offset, length)

    def mention_text(self, part: str, *, all: bool = False) -> Self:
        """The part is `@[userId]`, brackets included."""
        return self._find("mention", part, all)

    def ordered_list(self, offset: int, length: int) -> Self:
        """Each line is an item."""
        return self._add("ordered_list", offset, length)

    def ordered_list_text(self, part: str, *, all: bool = False) -> Self:
        return self._find("ordered_list", part, all)

    def unordered_list(self, offset: int, length: int) -> Self:
        """Each line is an item."""
        return self._add("unordered_list", offset, length)

    def unordered_list_text(self, part: str, *, all: bool = False) -> Self:
        return self._find("unordered_list", part, all)

    def quote(self, offset: int, length: int) -> Self:
        return self._add("quote", offset, length)

    def quote_text(self, part: str, *, all: bool = False) -> Self:
        return self._find("quote", part, all)

    def validate(self) -> Self:
        """Raises InvalidCall where ranges of one style, or of styles that exclude each other, overlap."""
        for first, second in self._overlapping():
            if first.style == second.style:
                raise InvalidCall(f"ranges of one style may not overlap: {first} and {second}")
            if exclude(first.style, second.style):
                raise InvalidCall(f"these styles exclude each other: {first} and {second}")
        return self

    def build(self) -> Ranges:
        """The `format` JSON, ranges in the order of the text. Raises InvalidCall as `validate()` does."""
        self.validate()
        by_style: Ranges = {name: [] for name in NAMES}
        for item in sorted(self._ranges, key=lambda item: item.start):
            by_style[item.style].append(self._wire(item))
        return {name: ranges for name, ranges in by_style.items() if ranges}

    def _add(self, style: str, offset: int, length: int, **details: str) -> Self:
        end = offset + length
        if offset < 0 or length < 1 or end > len(self.text):
            raise InvalidCall(f"{style} {offset}..{end} is no part of a text of {len(self.text)} characters")
        if style == "mention" and not MENTION.fullmatch(self.text, offset, end):
            raise InvalidCall(f"{style} {offset}..{end} is not @[userId]")
        self._ranges.append(_Range(offset, end, style, {key: value for key, value in details.items() if value}))
        return self

    def _find(self, style: str, part: str, all: bool, **details: str) -> Self:
        place = self.text.find(part)
        if place < 0:
            raise InvalidCall("the part to style does not occur in the text")
        while place >= 0:
            self._add(style, place, len(part), **details)
            place = self.text.find(part, place + len(part)) if all else -1
        return self

    def _overlapping(self) -> Iterator[tuple[_Range, _Range]]:
        reaching: list[_Range] = []
        for item in sorted(self._ranges, key=lambda item: item.start):
            reaching = [earlier for earlier in reaching if earlier.end > item.start]
            yield from ((earlier, item) for earlier in reaching)
            reaching.append(item)

    def _wire(self, item: _Range) -> dict[str, Any]:
        offset, end = (utf16_length(self.text[:place]) for place in (item.start, item.end))
        return {"offset": offset, "length": end - offset} | item.details
