"""split_text: a long text in several messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import overload

from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text.cuts import Cuts
from vkteams_bot.text.layout import Block, Layout, Run, Style, by_style, plain_text
from vkteams_bot.text.nodes import (
    Bold,
    Code,
    Italic,
    Link,
    Mention,
    Node,
    OrderedList,
    Pre,
    Quote,
    Raw,
    Strikethrough,
    Text,
    Underline,
    UnorderedList,
)
from vkteams_bot.text.styles import MENTION

WRAPPERS: dict[str, Callable[[Node], Node]] = {
    "bold": Bold,
    "inline_code": Code,
    "italic": Italic,
    "underline": Underline,
    "strikethrough": Strikethrough,
}
LISTS = {"ordered_list": OrderedList, "unordered_list": UnorderedList}


@overload
def split_text(text: str, max_length: int = 4096) -> list[str]: ...
@overload
def split_text(text: Node, max_length: int = 4096) -> list[Text]: ...
def split_text(text: str | Node, max_length: int = 4096) -> list[str] | list[Text]:
    """Pieces of at most `max_length` characters of plain text (code points, as `len()` counts; markup adds to that).

    Cuts after the last newline that fits, else after the last space, else between characters. White space stays at the
    end of its piece: the pieces put together are the text, and only where it has `max_length` of white space, or ends
    with it, is a piece blank. A unit longer than the limit stays whole: a character with its accents, an emoji
    sequence, a flag, a mention, Raw. An empty text has no pieces.

    A node is cut with its styles, and each piece has them anew. A newline at which a quote, list or Pre is cut is no
    longer part of it; an ordered list counts from 1 again. A string is plain text: cut a node rather than markup.
    Raises InvalidCall for a limit below 1.
    """
    if max_length < 1:
        raise InvalidCall("a piece of text has at least one character")
    if isinstance(text, str):
        return [text[start:end] for start, end in _spans(text, max_length, [])]
    layout = text.layout()
    return [_part(layout, start, end) for start, end in _spans(plain_text(layout), max_length, _raw(layout))]


def _spans(text: str, max_length: int, raw: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if not text:
        return []
    mentions = [
        mention.span()
        for mention in MENTION.finditer(text)
        if not any(start < mention.end() and mention.start() < end for start, end in raw)
    ]
    cuts = Cuts(text, [*raw, *mentions])
    return list(pairwise((0, *cuts.places(max_length), len(text))))


def _raw(layout: Layout) -> list[tuple[int, int]]:
    spans, at = [], 0
    for block in layout:
        for run in block.runs:
            if run.raw:
                spans.append((at, at + len(run.text)))
            at += len(run.text)
        at += 1
    return spans


def _part(layout: Layout, start: int, end: int) -> Text:
    return Text(*_parts(layout, start, end))


def _parts(layout: Layout, start: int, end: int) -> Iterator[Node | str]:
    at = 0
    for block in layout:
        length = len(block.plain)
        part = block.part(start - at, end - at)
        # At the end of a piece the newline would be an empty line of the quote, an empty item of the list.
        cut_at_newline = block.name and at < end < at + length and part.plain.endswith("\n")
        if cut_at_newline:
            part = part.part(0, len(part.plain) - 1)
        if part.runs:
            yield _node(part)
        at += length
        if cut_at_newline or start <= at < end:
            yield "\n"
        at += 1


def _node(block: Block) -> Node:
    if block.name == "pre":
        return Pre(block.plain, block.language)
    if block.name in LISTS:
        return LISTS[block.name](_inline(line) for line in block.lines())
    inline = _inline(block.runs)
    return Quote(inline) if block.name == "quote" else inline


def _inline(runs: Iterable[Run], depth: int = 0) -> Text:
    return Text(
        *(
            node
            for style, same in by_style(runs, depth)
            for node in (map(_unstyled, same) if style is None else [_styled(style, same, depth + 1)])
        )
    )


def _unstyled(run: Run) -> Node:
    return Raw(run.text) if run.raw else Text(run.text)


def _styled(style: Style, runs: tuple[Run, ...], depth: int) -> Node:
    if style.name == "mention":
        return Text(*(Mention(run.text[2:-1]) for run in runs))
    inner = _inline(runs, depth)
    return Link(inner, style.value) if style.name == "link" else WRAPPERS[style.name](inner)
