"""Styles of a text as ranges (botapi.md §4.3). Offsets and lengths are in UTF-16 code units."""

from __future__ import annotations

import enum

from pydantic import ConfigDict, Field

from vkteams_bot.api.types.base import WireObject


class ParseMode(enum.StrEnum):
    MARKDOWNV2 = "MarkdownV2"
    HTML = "HTML"


class Range(WireObject):
    offset: int = Field(ge=0)
    length: int = Field(ge=0)


class LinkRange(Range):
    url: str


class PreRange(Range):
    """`code` is the language."""

    code: str | None = None


class Format(WireObject):
    """Every style as its ranges over the plain text. The keys are snake_case on the wire, too."""

    model_config = ConfigDict(alias_generator=None)

    bold: tuple[Range, ...] = ()
    italic: tuple[Range, ...] = ()
    underline: tuple[Range, ...] = ()
    strikethrough: tuple[Range, ...] = ()
    link: tuple[LinkRange, ...] = ()
    mention: tuple[Range, ...] = ()
    inline_code: tuple[Range, ...] = ()
    pre: tuple[PreRange, ...] = ()
    ordered_list: tuple[Range, ...] = ()
    unordered_list: tuple[Range, ...] = ()
    quote: tuple[Range, ...] = ()

    def wire(self) -> str:
        """The JSON text of the parameter."""
        return self.model_dump_json(exclude_defaults=True)
