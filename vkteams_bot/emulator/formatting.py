"""Markup: from a text as a bot sends it to plain text and ranges, as events show it (botapi.md §4)."""

from __future__ import annotations

from vkteams_bot.api.types import Format, ParseMode
from vkteams_bot.emulator.behaviour import Behaviour
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.text.parsing import MarkupError, may_stand, parse_html, parse_markdown
from vkteams_bot.text.ranges import Ranges
from vkteams_bot.text.styles import utf16_length

FORMAT_ERROR = "Format error"


def plain_and_ranges(
    text: str, parse_mode: ParseMode | None, format: Format | None, behaviour: Behaviour | None = None
) -> tuple[str, Ranges]:
    """The text that people see and the ranges of its styles. Raises Refusal: Format error."""
    behaviour = behaviour or Behaviour()
    try:
        return _parsed(text, parse_mode, format, behaviour)
    except MarkupError:
        if behaviour.format_errors == "refuse":
            raise Refusal(FORMAT_ERROR) from None
        return text, {}


def _parsed(text: str, parse_mode: ParseMode | None, format: Format | None, behaviour: Behaviour) -> tuple[str, Ranges]:
    measure = utf16_length if behaviour.offset_unit == "utf16" else len
    if parse_mode is ParseMode.HTML:
        return parse_html(text, unknown_tags=behaviour.unknown_tags, measure=measure)
    if parse_mode is ParseMode.MARKDOWNV2:
        return parse_markdown(text, strict_escapes=behaviour.strict_escapes, measure=measure)
    ranges: Ranges = format.model_dump(mode="json", exclude_defaults=True) if format is not None else {}
    if not may_stand(ranges, measure(text)):
        raise MarkupError("format")
    return text, ranges
