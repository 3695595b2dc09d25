"""MarkdownV2 as the Bot API takes it (botapi.md §4.1)."""

from __future__ import annotations

import re
import string
from typing import NamedTuple

from vkteams_bot.text.parsing.styled import MarkupError, Measure, StyledText
from vkteams_bot.text.ranges import Ranges
from vkteams_bot.text.styles import utf16_length

MARKS = {"*": "bold", "_": "italic", "__": "underline", "~": "strikethrough"}
STRICT = frozenset("\\_*~`[]()")
PUNCTUATION = frozenset(string.punctuation)
SPECIAL = re.compile(r"[\\*_~`\[\]@\n]")
MENTION = re.compile(r"@\\?\[((?:[^\[\]\\\s]|\\[!-/:-@^-`{-~])+)\\?\]")
PRE = re.compile(r"```(?:([\w+#.-]*)\n)?((?:\\.|[^\\])*?)```", re.DOTALL)
CODE = re.compile(r"`((?:\\.|[^\\`])*)`", re.DOTALL)
CODE_ESCAPE = re.compile(r"\\([\\`])")
ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
ADDRESS = re.compile(r"\(((?:\\.|[^\\)\n])+)\)")
BLOCK = re.compile(r"(?P<quote>>)|(?P<unordered_list>- )|(?P<ordered_list>[0-9]{1,9}\. )")


class Open(NamedTuple):
    mark: str
    start: int


def parse_markdown(text: str, *, strict_escapes: bool = False, measure: Measure = utf16_length) -> tuple[str, Ranges]:
    r"""Raises MarkupError: a mark that is not closed or crosses another, a backslash before a letter.

    `strict_escapes`: a backslash is taken only before ``\ _ * ~ ` [ ] ( )``. Signs of lists and quotes are not
    part of the plain text.
    """
    return _Parser(text, STRICT if strict_escapes else PUNCTUATION, measure).parse()


class _Parser:
    def __init__(self, text: str, escapable: frozenset[str], measure: Measure) -> None:
        self._text = text
        self._escapable = escapable
        self._at = 0
        self._out = StyledText(measure)
        self._open: list[Open] = []
        self._block: Open | None = None

    def parse(self) -> tuple[str, Ranges]:
        self._line()
        while (match := SPECIAL.search(self._text, self._at)) is not None:
            self._out.write(self._text[self._at : match.start()])
            self._at = match.start()
            self._special(match[0])
        self._out.write(self._text[self._at :])
        if self._open:
            raise MarkupError(self._open[-1].mark)
        self._end_block(self._out.length)
        return self._out.result()

    def _special(self, sign: str) -> None:
        if sign == "\\":
            self._escape()
        elif sign == "`":
            self._code()
        elif sign == "\n":
            self._write(sign)
            self._line()
        elif sign == "[":
            if any(item.mark == "[" for item in self._open):
                raise MarkupError(sign)
            self._open.append(Open("[", self._out.length))
            self._at += 1
        elif sign == "]":
            self._end_link()
        elif sign == "@":
            self._mention()
        else:
            self._mark(sign)

    def _mention(self) -> None:
        """`@[userId]`; a bare `@[label](address)` is a link after an `@`."""
        match = MENTION.match(self._text, self._at)
        if match is None or (not match[0].endswith("\\]") and ADDRESS.match(self._text, match.end())):
            self._write("@")
        else:
            self._write(f"@[{ESCAPE.sub(_escaped, match[1])}]", match[0])

    def _write(self, plain: str, source: str | None = None) -> None:
        self._out.write(plain)
        self._at += len(plain if source is None else source)

    def _escape(self) -> None:
        sign = self._text[self._at + 1 : self._at + 2]
        if sign not in self._escapable:
            raise MarkupError("\\" + sign)
        self._write(sign, "\\" + sign)

    def _code(self) -> None:
        start = self._out.length
        block = self._text.startswith("```", self._at)
        match = (PRE if block else CODE).match(self._text, self._at)
        if match is None:
            raise MarkupError("```" if block else "`")
        code = CODE_ESCAPE.sub(_escaped, match[2] if block else match[1])
        if block and match[1] is not None:
            code = code.removesuffix("\n")
        self._write(code, match[0])
        if block:
            self._out.mark("pre", start, code=match[1] or "")
        else:
            self._out.mark("inline_code", start)

    def _mark(self, sign: str) -> None:
        opened = [item.mark for item in self._open]
        if self._text.startswith("__", self._at) and not (opened[-1:] == ["_"] and "__" in opened):
            sign = "__"
        if sign not in opened:
            self._open.append(Open(sign, self._out.length))
        elif opened[-1] != sign:
            raise MarkupError(sign)
        else:
            self._out.mark(MARKS[sign], self._open.pop().start)
        self._at += len(sign)

    def _end_link(self) -> None:
        if not any(item.mark == "[" for item in self._open):
            self._write("]")
            return
        address = ADDRESS.match(self._text, self._at + 1)
        if self._open[-1].mark != "[" or address is None:
            raise MarkupError("]" if address is not None else "[")
        self._out.mark("link", self._open.pop().start, url=ESCAPE.sub(_escaped, address[1]))
        self._at = address.end()

    def _line(self) -> None:
        """At the start of a line: end the block that does not go on, begin the one that does, skip its sign."""
        match = BLOCK.match(self._text, self._at)
        style = match.lastgroup if match else None
        if self._block is not None and self._block.mark != style:
            self._end_block(self._out.length - 1)
        if match is not None and style is not None:
            self._block = self._block or Open(style, self._out.length)
            self._at = match.end()

    def _end_block(self, end: int) -> None:
        if self._block is not None:
            self._out.mark(self._block.mark, self._block.start, end=end)
        self._block = None


def _escaped(match: re.Match[str]) -> str:
    return match[1]
