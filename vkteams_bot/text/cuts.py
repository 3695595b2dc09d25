"""Where a long text may be cut."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain

JOINER = "\u200d"


class Cuts:
    """`whole`: spans of the text that are never cut, apart from each other."""

    def __init__(self, text: str, whole: Iterable[tuple[int, int]]) -> None:
        self._text = text
        self._whole = sorted(whole)
        self._starts = [start for start, _ in self._whole]

    def places(self, limit: int) -> Iterator[int]:
        """Where pieces of at most `limit` characters end, but for the last. A longer unit is a piece of its own."""
        start = 0
        while len(self._text) - start > limit:
            end = self._end(start, start + limit)
            if end == len(self._text):
                return
            yield end
            start = end

    def _end(self, start: int, end: int) -> int:
        """The best place after `start`: up to `end` after the last newline, else the last space, else anywhere."""
        head = self._text[start:end]
        first = start + len(head) - len(head.lstrip())
        for sign in "\n ":
            space = self._text.rfind(sign, first, end)
            while space >= 0 and not self._may_cut(space + 1, start):
                space = self._text.rfind(sign, first, space)
            if space >= 0:
                return space + 1
        for place in chain(range(end, start, -1), range(end + 1, len(self._text))):
            if self._may_cut(place, start):
                return place
        return len(self._text)

    def _may_cut(self, place: int, start: int) -> bool:
        index = bisect_left(self._starts, place) - 1
        return (index < 0 or self._whole[index][1] <= place) and not joined(self._text, place, start)


def joined(text: str, place: int, start: int = 0) -> bool:
    """Whether the signs on both sides of a place are seen as one: accents, emoji sequences, flags, Hangul, CR LF.

    `start`: where a unit begins for certain.
    """
    before, after = text[place - 1 : place], text[place : place + 1]
    if not before or not after:
        return False
    if before in "\r\n":
        return before + after == "\r\n"
    if before == JOINER or _extends(after) or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff"):
        return True
    return _is_flag_letter(after) and _flag_letters_before(text, place, start) % 2 == 1


def _extends(sign: str) -> bool:
    """A sign that belongs to the one before it."""
    return (
        sign == JOINER
        or unicodedata.category(sign).startswith("M")
        or "\u1160" <= sign <= "\u11ff"  # vowels and finals of Hangul syllables
        or "\U0001f3fb" <= sign <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= sign <= "\U000e007f"  # tags of regional flags
    )


def _is_flag_letter(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def _flag_letters_before(text: str, place: int, start: int) -> int:
    first = place
    while first > start and _is_flag_letter(text[first - 1]):
        first -= 1
    return place - first
