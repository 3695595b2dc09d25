"""Markup: from a text as a bot sends it to plain text and ranges, as events show it (botapi.md §4)."""

from __future__ import annotations

from vkteams_bot.api.types import Format, ParseMode
from vkteams_bot.emulator.markup.html import parse_html
from vkteams_bot.emulator.markup.markdown import parse_markdown
from vkteams_bot.emulator.markup.styled import FORMAT_ERROR, utf16_length
from vkteams_bot.emulator.message import Ranges
from vkteams_bot.emulator.refusal import Refusal

__all__ = ["parse_html", "parse_markdown", "plain_and_ranges", "utf16_length"]


def plain_and_ranges(
    text: str, parse_mode: ParseMode | None, format: Format | None, *, strict_escapes: bool = False
) -> tuple[str, Ranges]:
    """The text that people see and the ranges of its styles, in UTF-16 units. Raises Refusal: Format error."""
    if parse_mode is ParseMode.HTML:
        return parse_html(text)
    if parse_mode is ParseMode.MARKDOWNV2:
        return parse_markdown(text, strict_escapes=strict_escapes)
    return text, (_kept(format, text) if format is not None else {})


def _kept(format: Format, text: str) -> Ranges:
    ranges: Ranges = format.model_dump(mode="json", exclude_defaults=True)
    length = utf16_length(text)
    if any(item["offset"] + item["length"] > length for items in ranges.values() for item in items):
        raise Refusal(FORMAT_ERROR)
    return ranges
