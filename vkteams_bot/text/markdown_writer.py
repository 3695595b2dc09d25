r"""From a layout to MarkdownV2 (botapi.md §4.1), by the escapes that every server takes.

Where the dialect has no sign, a style of nothing, ``**`` or ``~~``, keeps things apart: ``_`` next to ``__``, a line of
text that begins like a quote or list (whose escapes some servers refuse), and ``@`` before a bracket of no mention.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile

from vkteams_bot.text import md
from vkteams_bot.text.layout import Block, Layout, Run, Style
from vkteams_bot.text.styles import MENTION

BLOCKS: dict[str, Callable[[Iterable[str]], str]] = {
    "ordered_list": md.ordered_list,
    "unordered_list": md.unordered_list,
    "quote": lambda lines: md.quote("\n".join(lines)),
}
LINK = "["
UNDERSCORES = (md.MARKS["italic"], md.MARKS["underline"])
# A run with both bold and strikethrough nests its styles so; then `_` and `__` are apart, or `*` or `~` is free.
NESTING = ("link", "underline", "bold", "strikethrough", "italic")
# What a parser would take for more than text: the sign of a block, a mention, what may be the start of one, a mark.
SIGN = re.compile(
    rf"(?P<block>^(?=>|- |\d+\. ))|(?P<mention>{MENTION.pattern})|(?P<at>@(?=\[))|{md.SAFE.pattern}", re.MULTILINE
)


def as_markdown(layout: Layout) -> str:
    return "\n".join(_block(block) for block in layout)


def _block(block: Block) -> str:
    if block.name == "pre":
        return md.pre(block.plain, block.language)
    if block.name in BLOCKS:
        return BLOCKS[block.name](_Line().render(line) for line in block.lines())
    return _Line().render(block.runs)


class _Line:
    """Writes runs, opening and closing marks between them: what two neighbours share stays open."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._open: list[Style] = []

    def render(self, runs: Sequence[Run]) -> str:
        for run in runs:
            self._turn(_nesting(run))
            self._pieces.append(self._text(run))
        self._turn(())
        return "".join(self._pieces)

    def _turn(self, styles: Sequence[Style]) -> None:
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._open, styles, strict=False)))
        while len(self._open) > shared:
            style = self._open[-1]
            self._mark(md.link_end(style.value) if style.name == "link" else md.MARKS[style.name])
            self._open.pop()
        for style in styles[shared:]:
            self._mark(LINK if style.name == "link" else md.MARKS[style.name])
            self._open.append(style)

    def _mark(self, mark: str) -> None:
        last = self._pieces[-1] if self._pieces else ""
        if (last in UNDERSCORES and mark in UNDERSCORES) or (last.endswith("@") and mark == LINK):
            self._pieces.append(self._nothing())
        self._pieces.append(mark)

    def _text(self, run: Run) -> str:
        if run.raw:
            return run.text
        if "inline_code" in run.style_names:
            return md.code(run.text)
        return SIGN.sub(self._sign, run.text)

    def _sign(self, match: re.Match[str]) -> str:
        if match.lastgroup == "block":
            return self._nothing() if match.start() or self._at_line_start() else ""
        if match.lastgroup == "at":
            return "@" + self._nothing()
        return md.escape(match[0])

    def _at_line_start(self) -> bool:
        return not self._pieces or self._pieces[-1].endswith("\n")

    def _nothing(self) -> str:
        """An empty style; inside of that style its end and new beginning."""
        names = [style.name for style in self._open]
        if "bold" not in names or names[-1] == "bold":
            return "**"
        if "strikethrough" not in names or names[-1] == "strikethrough":
            return "~~"
        return "_~~_"  # bold and strikethrough are open, hence NESTING: only italic stands within


def _nesting(run: Run) -> list[Style]:
    styles = [style for style in run.styles if style.name not in ("inline_code", "mention")]
    if {"bold", "strikethrough"} <= set(run.style_names):
        styles.sort(key=lambda style: NESTING.index(style.name))
    return styles
