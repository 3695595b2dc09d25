"""Random trees, each beside what it must look like: the styles of its characters, said without the code under test."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st

from vkteams_bot.text import (
    Bold,
    Code,
    Italic,
    Link,
    Mention,
    Node,
    OrderedList,
    Pre,
    Quote,
    Strikethrough,
    Text,
    Underline,
    UnorderedList,
)

# No deadline: the suite runs beside processes and browsers.
RUNS = settings(max_examples=150, deadline=None)

Character = tuple[str, frozenset[tuple[str, str]]]


class Tree(NamedTuple):
    """`characters`: without newlines, since blocks add some."""

    node: Node | str
    characters: list[Character]


MARKUP = "*_~`[]()\\>-+.1 2@\n#!|{}=<&;/bi\"'"
OTHER = "aяא\u0301\u200d\u200f\ufe0f😀🏽𝄞🇷٣\r\t\u00a0\ud83d"
TEXT = (
    st.text(MARKUP + OTHER, max_size=10)
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "- a",
            "1. b\n",
            ">c",
            "\n- d",
            "@[",
            "]",
            "@[u@x.y]",
            "@",
            "👨‍👩‍👧",
            "__",
            "**",
            "```",
            "&lt;",
            "</b>",
            "](u)",
        ]
    )
)
URLS = st.sampled_from(["https://a.b/", 'https://a.b/c_(d)?e=*&f="g"', "\\)[x]", "<i>"])
IDS = st.sampled_from(["user@company.ru", "user_name@x.y", "*a~`(b)<&>", "1"])
STYLES: dict[type[Node], str] = {
    Bold: "bold",
    Italic: "italic",
    Underline: "underline",
    Strikethrough: "strikethrough",
}
BLOCKS = ("pre", "quote", "ordered_list", "unordered_list")


def characters(text: str, *styles: tuple[str, str]) -> list[Character]:
    return [(sign, frozenset(styles)) for sign in text if sign != "\n"]


def within(tree: Tree, name: str, value: str = "") -> list[Character]:
    """What a style around a tree makes of it."""
    found = []
    for sign, styles in tree.characters:
        names = {style for style, _ in styles}
        reached = not (
            "pre" in names
            or (name == "link" and names & {"link", "mention"})
            or (name in BLOCKS and names & set(BLOCKS))
        )
        found.append((sign, styles | {(name, value)} if reached else styles))
    return found


def all_of(trees: list[Tree]) -> Tree:
    return Tree(Text(*(tree.node for tree in trees)), [sign for tree in trees for sign in tree.characters])


def literal(tree: Tree) -> str:
    return tree.node if isinstance(tree.node, str) else tree.node.plain


LEAVES = (
    TEXT.map(lambda text: Tree(text, characters(text)))
    | TEXT.map(lambda text: Tree(Code(text), characters(text, ("inline_code", ""))))
    | IDS.map(lambda user: Tree(Mention(user), characters(f"@[{user}]", ("mention", ""))))
)
PRE = st.builds(
    lambda text, language: Tree(Pre(text, language), characters(text, ("pre", language or ""))),
    TEXT,
    st.sampled_from([None, "python", "c++"]),
)


def styled(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.builds(
        lambda style, tree: Tree(style(tree.node), within(tree, STYLES[style])), st.sampled_from([*STYLES]), inner
    )


def linked(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.builds(lambda tree, url: Tree(Link(tree.node, url), within(tree, "link", url)), inner, URLS)


def quoted(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return inner.map(lambda tree: Tree(Quote(tree.node), within(tree, "quote")))


def listed(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    def of(kind: Any, name: str) -> st.SearchStrategy[Tree]:
        return st.lists(inner, max_size=3).map(
            lambda items: Tree(kind([item.node for item in items]), within(all_of(items), name))
        )

    return of(OrderedList, "ordered_list") | of(UnorderedList, "unordered_list")


def several(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.lists(inner, max_size=4).map(all_of)


INLINE = several(st.recursive(LEAVES, lambda inner: several(inner) | styled(inner) | linked(inner), max_leaves=10))
TREES = several(
    st.recursive(
        LEAVES | PRE,
        lambda inner: several(inner) | styled(inner) | linked(inner) | quoted(inner) | listed(inner),
        max_leaves=12,
    )
)


def styles_by_unit(
    text: str, ranges: dict[str, list[dict[str, Any]]], *, without: str = ""
) -> list[set[tuple[str, str]]]:
    """The styles of each UTF-16 unit. Fails for a range beyond the text or of no length."""
    units: list[set[tuple[str, str]]] = [set() for _ in range(len(text.encode("utf-16-le", "surrogatepass")) // 2)]
    for style, items in ranges.items():
        for item in items:
            assert 0 <= item["offset"] < item["offset"] + item["length"] <= len(units)
            for unit in range(item["offset"], item["offset"] + item["length"]):
                if style != without:
                    units[unit].add((style, item.get("url") or item.get("code") or ""))
    return units


def styled_characters(text: str, ranges: dict[str, list[dict[str, Any]]]) -> list[Character]:
    """Each character with its styles; both halves of a surrogate pair have the same."""
    units, at, found = styles_by_unit(text, ranges), 0, []
    for sign in text:
        width = 2 if sign > "\uffff" else 1
        assert all(unit == units[at] for unit in units[at : at + width])
        found.append((sign, frozenset(units[at])))
        at += width
    return found
