"""Layout: a node tree laid flat, as blocks of runs. Everything that no dialect can say is settled here.

- A block (Pre, Quote, a list) has lines of its own: where the text around it has no newline, one is added. One
  newline written next to a block is that newline, not another.
- Of blocks within blocks the innermost counts; the outer one goes on after it.
- Neighbouring quotes, and neighbouring lists of a kind, are one. A newline in an item begins a new item.
- In quotes and lists styles end with the line and begin anew: the newline itself has none. Pre has none at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from vkteams_bot.text.styles import LINE_BLOCKS


class Style(NamedTuple):
    """`name` as in the `format` JSON; `value` is the address of a link."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one set of styles, outermost first. `raw`: markup that is written as it is."""

    text: str
    styles: tuple[Style, ...] = ()
    raw: bool = False

    @property
    def style_names(self) -> tuple[str, ...]:
        return tuple(style.name for style in self.styles)

    def joins(self, other: Run) -> bool:
        return self.styles == other.styles and not (self.raw or other.raw or "mention" in self.style_names)


@dataclass(frozen=True, slots=True)
class Block:
    """`name` as in the `format` JSON, empty for ordinary text. Newlines stand in the runs."""

    name: str
    language: str
    runs: tuple[Run, ...]

    @property
    def plain(self) -> str:
        return "".join(run.text for run in self.runs)

    def lines(self) -> list[tuple[Run, ...]]:
        lines: list[list[Run]] = [[]]
        for run in self.runs:
            first, *rest = [run.text] if run.raw else run.text.split("\n")
            lines[-1].append(Run(first, run.styles, run.raw))
            lines.extend([Run(text, run.styles)] for text in rest)
        return [tuple(run for run in line if run.text) for line in lines]

    def part(self, start: int, end: int) -> Block:
        """From one place of the plain text to another."""
        runs, at = [], 0
        for run in self.runs:
            if text := run.text[max(start - at, 0) : max(end - at, 0)]:
                runs.append(Run(text, run.styles, run.raw))
            at += len(run.text)
        return Block(self.name, self.language, tuple(runs))


def by_style(runs: Iterable[Run], depth: int) -> Iterator[tuple[Style | None, tuple[Run, ...]]]:
    """Runs that share their `depth` outermost styles, taken together where the next one is the same, too."""
    for style, same in groupby(runs, lambda run: run.styles[depth] if depth < len(run.styles) else None):
        yield style, tuple(same)


# One newline stands between two blocks and belongs to neither.
Layout = tuple[Block, ...]


def plain_text(layout: Layout) -> str:
    return "\n".join(block.plain for block in layout)


@dataclass(slots=True, eq=False)
class _Frame:
    """A place in the tree that text can stand in: a block, or the whole."""

    name: str = ""
    language: str = ""


@dataclass(slots=True)
class _Draft:
    """`path`: the frames around it. `runs` is empty where a newline said no more than that a block ended."""

    path: tuple[_Frame, ...]
    runs: list[Run] = field(default_factory=list)

    def append(self, run: Run) -> None:
        if not run.text:
            return
        if self.runs and self.runs[-1].joins(run):
            run = Run(self.runs.pop().text + run.text, run.styles)
        self.runs.append(run)

    def drop_newline(self) -> None:
        last = self.runs[-1]
        if not last.raw and last.text.endswith("\n"):
            self.runs.pop()
            self.append(Run(last.text[:-1], last.styles))


class Sheet:
    """Takes the text of a tree in its order."""

    def __init__(self) -> None:
        self._path: tuple[_Frame, ...] = (_Frame(),)
        self._drafts: list[_Draft] = []

    @contextmanager
    def inside(self, name: str, language: str = "") -> Iterator[None]:
        """What is written stands in a block."""
        outer = self._path
        self._path = (*outer, _Frame(name, language))
        yield
        self._path = outer

    def write(self, text: str, styles: tuple[Style, ...] = (), *, raw: bool = False) -> None:
        if not text:
            return
        if not self._drafts or self._drafts[-1].path != self._path:
            text = self._begin(text, raw)
        draft = self._drafts[-1]
        if raw or self._path[-1].name not in LINE_BLOCKS:
            draft.append(Run(text, styles, raw))
            return
        for number, line in enumerate(text.split("\n")):
            if number:
                draft.append(Run("\n"))
            draft.append(Run(line, styles))

    def layout(self) -> Layout:
        return tuple(_joined(_block(draft) for draft in self._drafts))

    def _begin(self, text: str, raw: bool) -> str:
        """Begin a draft; a newline on the outer side of the border is the border. Returns what is left of the text."""
        new = self._path
        if self._drafts:
            last = self._drafts[-1]
            if new[: len(last.path)] == last.path:
                if last.runs:
                    last.drop_newline()
                else:
                    self._drafts.pop()
            elif last.path[: len(new)] == new and not raw:
                text = text.removeprefix("\n")
        self._drafts.append(_Draft(new))
        return text


def _block(draft: _Draft) -> Block:
    frame = draft.path[-1] if draft.runs else _Frame()
    return Block(frame.name, frame.language, tuple(draft.runs))


def _joined(blocks: Iterable[Block]) -> list[Block]:
    joined: list[Block] = []
    for block in blocks:
        if joined and joined[-1].name == block.name != "pre":
            draft = _Draft((), list(joined.pop().runs))
            for run in (Run("\n"), *block.runs):
                draft.append(run)
            block = Block(block.name, block.language, tuple(draft.runs))
        joined.append(block)
    return joined
