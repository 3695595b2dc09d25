"""HTML as the Bot API takes it (botapi.md §4.2)."""

from __future__ import annotations

import re
from html import unescape
from typing import NamedTuple

from vkteams_bot.emulator.markup.styled import FORMAT_ERROR, StyledText
from vkteams_bot.emulator.message import Ranges
from vkteams_bot.emulator.refusal import Refusal

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
ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")


class Open(NamedTuple):
    tag: str
    start: int
    attributes: dict[str, str]


def parse_html(text: str) -> tuple[str, Ranges]:
    """Raises Refusal (`Format error`): an unknown tag, tags that cross or stay open, a bare `<`, a link in a link."""
    return _Parser().parse(text)


class _Parser:
    def __init__(self) -> None:
        self._out = StyledText()
        self._open: list[Open] = []
        self._items = 0  # of the innermost list

    def parse(self, text: str) -> tuple[str, Ranges]:
        position = 0
        while (start := text.find("<", position)) >= 0:
            self._text(text[position:start])
            tag = TAG.match(text, start)
            if tag is None:
                raise Refusal(FORMAT_ERROR)
            closing, name, attributes = tag.groups()
            if closing:
                self._close(name.lower(), attributes)
            else:
                self._start(name.lower(), attributes)
            position = tag.end()
        self._text(text[position:])
        if self._open:
            raise Refusal(FORMAT_ERROR)
        return self._out.result()

    def _inside(self, *tags: str) -> bool:
        return any(item.tag in tags for item in self._open)

    def _text(self, text: str) -> None:
        if self._open and self._open[-1].tag in LISTS:
            if text.strip():
                raise Refusal(FORMAT_ERROR)
            return
        if text:
            self._out.write(ENTITY.sub(lambda entity: unescape(entity[0]), text))

    def _start(self, tag: str, attributes: str) -> None:
        parent = self._open[-1].tag if self._open else None
        if (
            tag not in STYLES
            or (tag == "li") != (parent in LISTS)
            or (tag in ("a", "pre", *LISTS) and self._inside(tag))
        ):
            raise Refusal(FORMAT_ERROR)
        if tag in LISTS:
            if self._inside(*LISTS):
                raise Refusal(FORMAT_ERROR)
            self._items = 0
        if tag == "li":
            if self._items:
                self._out.write("\n")
            self._items += 1
        values = {
            match[1].lower(): unescape(next(filter(None, match.groups()[1:]), "")) for match in _pairs(attributes)
        }
        self._open.append(Open(tag, self._out.length, values))

    def _close(self, tag: str, attributes: str) -> None:
        if attributes.strip() or not self._open or self._open[-1].tag != tag:
            raise Refusal(FORMAT_ERROR)
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


def _pairs(attributes: str) -> list[re.Match[str]]:
    return list(ATTRIBUTE.finditer(attributes))
