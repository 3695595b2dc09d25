"""HTML as the Bot API takes it (botapi.md §4.2)."""

from __future__ import annotations

import re
from html import unescape
from typing import Literal, NamedTuple

from vkteams_bot.text.parsing.styled import MarkupError, Measure, StyledText
from vkteams_bot.text.ranges import Ranges
from vkteams_bot.text.styles import utf16_length

STYLES = {
    "b": "bold",
    "i": "italic",
    "u": "underline",
    "s": "strikethrough",
    "code": "inline_code",
    "pre": "pre",
    "a": "link",
    "ol": "ordered_list",
    "ul": "unordered_list",
    "blockquote": "quote",
    "li": "",
}
LISTS = ("ol", "ul")
TAG = re.compile(r"""<(/?)([a-zA-Z]+)((?:\s(?:[^<>"']|"[^"]*"|'[^']*')*)?)>""")
ATTRIBUTE = re.compile(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")
ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")

SHOWN = 20

UnknownTags = Literal["refuse", "drop", "keep"]


class Open(NamedTuple):
    tag: str
    start: int
    attributes: dict[str, str]


def parse_html(
    text: str, *, unknown_tags: UnknownTags = "refuse", measure: Measure = utf16_length
) -> tuple[str, Ranges]:
    """Raises MarkupError: an unknown tag, tags that cross or stay open, a bare `<`, a link in a link.

    `unknown_tags`: `drop` leaves them out, `keep` takes them as text.
    """
    return _Parser(unknown_tags, measure).parse(text)


class _Parser:
    def __init__(self, unknown_tags: UnknownTags, measure: Measure) -> None:
        self._unknown_tags = unknown_tags
        self._out = StyledText(measure)
        self._open: list[Open] = []
        self._items = 0  # of the innermost list
        self._tag = ""

    def parse(self, text: str) -> tuple[str, Ranges]:
        position = 0
        while (start := text.find("<", position)) >= 0:
            self._text(text[position:start])
            tag = TAG.match(text, start)
            if tag is None:
                raise MarkupError(text[start : start + SHOWN])
            self._tag = tag[0]
            closing, name, attributes = tag.groups()
            name = name.lower()
            if name not in STYLES:
                self._unknown(tag[0])
            elif closing:
                self._close(name, attributes)
            else:
                self._start(name, attributes)
            position = tag.end()
        self._text(text[position:])
        if self._open:
            raise MarkupError(f"<{self._open[-1].tag}>")
        return self._out.result()

    def _unknown(self, tag: str) -> None:
        if self._unknown_tags == "refuse":
            raise MarkupError(tag)
        if self._unknown_tags == "keep":
            self._text(tag)

    def _inside(self, *tags: str) -> bool:
        return any(item.tag in tags for item in self._open)

    def _text(self, text: str) -> None:
        if self._open and self._open[-1].tag in LISTS:
            if text.strip():
                raise MarkupError(text.strip()[:SHOWN])
            return
        if text:
            self._out.write(_unescaped(text))

    def _start(self, tag: str, attributes: str) -> None:
        parent = self._open[-1].tag if self._open else None
        if (tag == "li") != (parent in LISTS) or (tag in ("a", "pre", *LISTS) and self._inside(tag)):
            raise MarkupError(self._tag)
        if tag in LISTS:
            if self._inside(*LISTS):
                raise MarkupError(self._tag)
            self._items = 0
        if tag == "li":
            if self._items:
                self._out.write("\n")
            self._items += 1
        values = {
            match[1].lower(): _unescaped(next(filter(None, match.groups()[1:]), ""))
            for match in ATTRIBUTE.finditer(attributes)
        }
        self._open.append(Open(tag, self._out.length, values))

    def _close(self, tag: str, attributes: str) -> None:
        if attributes.strip() or not self._open or self._open[-1].tag != tag:
            raise MarkupError(self._tag)
        opened = self._open.pop()
        style = STYLES[tag]
        if tag == "code" and self._inside("pre"):
            self._code_in_pre(opened)
        elif tag == "a":
            if opened.attributes.get("href"):
                self._out.mark(style, opened.start, url=opened.attributes["href"])
        elif tag == "pre":
            self._out.mark(style, opened.start, code=opened.attributes.get("class", ""))
        elif style:
            self._out.mark(style, opened.start)

    def _code_in_pre(self, code: Open) -> None:
        language = code.attributes.get("class")
        pre = self._open[-1]
        if language and pre.tag == "pre":
            self._open[-1] = pre._replace(attributes={"class": language})


def _unescaped(text: str) -> str:
    """Only what servers write as entities, and whole: `&copy=1` in an address stays."""
    return ENTITY.sub(lambda entity: unescape(entity[0]), text)
