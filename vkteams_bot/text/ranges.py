"""From a layout to ranges: the `format` JSON of botapi.md §4.3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text.layout import Block, Layout, Style
from vkteams_bot.text.styles import NAMES, utf16_length

Ranges = dict[str, list[dict[str, Any]]]


def as_ranges(layout: Layout) -> Ranges:
    """Offsets and lengths in UTF-16 units; styles without a range are absent. Raises InvalidCall for raw markup."""
    by_style: Ranges = {name: [] for name in NAMES}
    for style, start, end in _spans(layout):
        ranges = by_style[style.name]
        last = ranges[-1] if ranges else None
        item = {"offset": start, "length": end - start} | _details(style)
        if last and style.name in MERGING and _end(last) == start and last.get("url") == item.get("url"):
            last["length"] += item["length"]
        else:
            ranges.append(item)
    return {name: ranges for name, ranges in by_style.items() if ranges}


MERGING = frozenset(NAMES) - {"mention", "pre"}


def _end(item: dict[str, Any]) -> int:
    end: int = item["offset"] + item["length"]
    return end


def _details(style: Style) -> dict[str, str]:
    key = {"link": "url", "pre": "code"}.get(style.name)
    return {key: style.value} if key and style.value else {}


def _spans(layout: Layout) -> Iterator[tuple[Style, int, int]]:
    at = 0
    for block in layout:
        end = at + utf16_length(block.plain)
        if block.name:
            yield Style(block.name, block.language), at, end
        yield from _inline(block, at)
        at = end + 1


def _inline(block: Block, at: int) -> Iterator[tuple[Style, int, int]]:
    for run in block.runs:
        if run.raw:
            raise InvalidCall("ranges cannot say what Raw markup means: send it in its parse mode")
        end = at + utf16_length(run.text)
        for style in run.styles:
            yield style, at, end
        at = end
