"""Markup that servers refuse, found before 100 000 people do not get it."""

from __future__ import annotations

from vkteams_bot.api import ParseMode
from vkteams_bot.text.parsing import MarkupError, parse_html, parse_markdown


def markup_problem(text: str, parse_mode: ParseMode | None) -> str:
    """The first thing that cannot stand there; "" = nothing was found. The server has the last word."""
    try:
        if parse_mode is ParseMode.HTML:
            parse_html(text)
        elif parse_mode is ParseMode.MARKDOWNV2:
            parse_markdown(text)
    except MarkupError as error:
        return error.found
    return ""
