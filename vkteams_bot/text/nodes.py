"""Nodes: a styled text as a value, to be written in any dialect."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text.html_writer import as_html
from vkteams_bot.text.layout import Layout, Sheet, Style, plain_text
from vkteams_bot.text.markdown_writer import as_markdown
from vkteams_bot.text.ranges import Ranges, as_ranges
from vkteams_bot.text.styles import checked_language, checked_url, mention_token

Styles = tuple[Style, ...]


class Node:
    """Base of all nodes: frozen values, equal when their parts are. Every dialect shows the same plain text.

    Strings inside are escaped. Whatever is no node becomes text by `str()` (lazy translations, numbers); None, bytes
    and collections raise InvalidCall. `+` joins nodes and strings to a `Text`. `len()` counts the characters of
    `plain`. See `layout.py` for how blocks get lines of their own and what nests.
    """

    def write(self, sheet: Sheet, styles: Styles) -> None:
        raise NotImplementedError

    def layout(self) -> Layout:
        sheet = Sheet()
        self.write(sheet, ())
        return sheet.layout()

    @property
    def plain(self) -> str:
        """The text without styles; a mention is `@[userId]`, Raw is its own markup."""
        return plain_text(self.layout())

    def as_html(self) -> str:
        return as_html(self.layout())

    def as_markdown(self) -> str:
        return as_markdown(self.layout())

    def as_format(self) -> tuple[str, Ranges]:
        """The plain text and the `format` of botapi.md §4.3, in UTF-16 units. Raises InvalidCall if there is Raw."""
        layout = self.layout()
        return plain_text(layout), as_ranges(layout)

    def as_kwargs(self, mode: str = "HTML") -> dict[str, Any]:
        """Arguments of a sending method. `mode`: `HTML`, `MarkdownV2` or `format`; else InvalidCall."""
        if mode == "HTML":
            return {"text": self.as_html(), "parse_mode": "HTML"}
        if mode == "MarkdownV2":
            return {"text": self.as_markdown(), "parse_mode": "MarkdownV2"}
        if mode == "format":
            text, ranges = self.as_format()
            return {"text": text, "parse_mode": None, "format": ranges}
        raise InvalidCall(f"a text is written as HTML, MarkdownV2 or format, not as {mode!r}")

    def __add__(self, other: Node | str) -> Text:
        return Text(self, other) if isinstance(other, Node | str) else NotImplemented

    def __radd__(self, other: str) -> Text:
        return Text(other, self) if isinstance(other, str) else NotImplemented

    def __str__(self) -> str:
        return self.plain

    def __len__(self) -> int:
        return len(self.plain)

    def __bool__(self) -> bool:
        return bool(self.plain)


@dataclass(frozen=True, init=False, repr=False)
class _Content(Node):
    """`Text` inside is taken apart and neighbouring strings are one, so that equal texts are equal values."""

    content: tuple[Node | str, ...]

    def __init__(self, *content: object) -> None:
        object.__setattr__(self, "content", _content(content))

    def write(self, sheet: Sheet, styles: Styles) -> None:
        for part in self.content:
            if isinstance(part, str):
                sheet.write(part, styles)
            else:
                part.write(sheet, styles)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.content))})"


class Text(_Content):
    """Parts one after another."""


class _Styled(_Content):
    style: ClassVar[str]

    def write(self, sheet: Sheet, styles: Styles) -> None:
        style = Style(self.style)
        super().write(sheet, styles if style in styles else (*styles, style))


class Bold(_Styled):
    style = "bold"


class Italic(_Styled):
    style = "italic"


class Underline(_Styled):
    style = "underline"


class Strikethrough(_Styled):
    style = "strikethrough"


class Quote(_Content):
    """A block."""

    def write(self, sheet: Sheet, styles: Styles) -> None:
        with sheet.inside("quote"):
            super().write(sheet, styles)


@dataclass(frozen=True, init=False)
class Link(Node):
    """A link; the innermost of links within links counts. Raises InvalidCall for an address that is none."""

    content: Text
    url: str

    def __init__(self, content: object, url: object) -> None:
        object.__setattr__(self, "content", Text(content))
        object.__setattr__(self, "url", checked_url(url))

    def write(self, sheet: Sheet, styles: Styles) -> None:
        self.content.write(sheet, (*_without_link(styles), Style("link", self.url)))


@dataclass(frozen=True)
class Mention(Node):
    """`@[userId]`; a link around it does not reach it. Raises InvalidCall for what can be no id."""

    user_id: str

    def __post_init__(self) -> None:
        mention_token(self.user_id)

    def write(self, sheet: Sheet, styles: Styles) -> None:
        sheet.write(mention_token(self.user_id), (*_without_link(styles), Style("mention")))


@dataclass(frozen=True, init=False, repr=False)
class Code(Node):
    """Literal text: of what is inside, the plain text counts."""

    text: str

    def __init__(self, *content: object) -> None:
        object.__setattr__(self, "text", Text(*content).plain)

    def write(self, sheet: Sheet, styles: Styles) -> None:
        sheet.write(self.text, (*styles, Style("inline_code")))

    def __repr__(self) -> str:
        return f"Code({self.text!r})"


@dataclass(frozen=True, init=False)
class Pre(Node):
    """A block of literal text. No style around it reaches it. Raises InvalidCall for a language that is none."""

    text: str
    language: str

    def __init__(self, text: object, language: str | None = None) -> None:
        object.__setattr__(self, "text", Text(text).plain)
        object.__setattr__(self, "language", checked_language(language))

    def write(self, sheet: Sheet, styles: Styles) -> None:
        with sheet.inside("pre", self.language):
            sheet.write(self.text)


@dataclass(frozen=True, init=False)
class _List(Node):
    items: tuple[Text, ...]
    style: ClassVar[str]

    def __init__(self, items: Iterable[object]) -> None:
        if isinstance(items, Node | str):
            raise InvalidCall("a list takes a collection of items")
        object.__setattr__(self, "items", tuple(Text(item) for item in items))

    def write(self, sheet: Sheet, styles: Styles) -> None:
        with sheet.inside(self.style):
            for number, item in enumerate(self.items):
                if number:
                    sheet.write("\n")
                item.write(sheet, styles)


class OrderedList(_List):
    """A block; each line of it is an item. A list within a list stands for itself, between parts of the outer one."""

    style = "ordered_list"


class UnorderedList(_List):
    """As OrderedList."""

    style = "unordered_list"


@dataclass(frozen=True)
class Raw(Node):
    """Markup of one dialect, written as it is in both: send it in its own. Its markup counts as its plain text.

    In an item of a list it must keep to one line.
    """

    markup: str

    def write(self, sheet: Sheet, styles: Styles) -> None:
        sheet.write(self.markup, styles, raw=True)


def _content(parts: Iterable[object]) -> tuple[Node | str, ...]:
    content: list[Node | str] = []
    for part in parts:
        for piece in part.content if type(part) is Text else (part,):
            if isinstance(piece, Node):
                content.append(piece)
            elif text := _string(piece):
                last = content[-1] if content else None
                if isinstance(last, str):
                    content[-1] = last + text
                else:
                    content.append(text)
    return tuple(content)


def _string(part: object) -> str:
    if part is None or isinstance(part, bytes | list | tuple | dict | set | frozenset):
        raise InvalidCall(f"a text is made of strings and nodes, not of {type(part).__name__}")
    return str(part)


def _without_link(styles: Styles) -> Styles:
    return tuple(style for style in styles if style.name != "link")
