"""Any tree says the same in every dialect. The emulator's parsers are the other side."""

from itertools import pairwise

import pytest
from hypothesis import example, given

from tests.text.trees import INLINE, RUNS, TREES, Tree, styled_characters, styles_by_unit
from vkteams_bot.api.types import Format
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
    Raw,
    Strikethrough,
    Text,
    Underline,
    UnorderedList,
)
from vkteams_bot.text.parsing import parse_html, parse_markdown
from vkteams_bot.text.styles import utf16_length

BLOCKS = {"quote", "ordered_list", "unordered_list"}
INLINE_STYLES = {"bold", "italic", "underline", "strikethrough", "link", "mention", "inline_code"}


def assert_same_in_every_dialect(node: Node) -> None:
    text, ranges = node.as_format()
    expected = styles_by_unit(text, ranges, without="mention")
    html, markdown = node.as_html(), node.as_markdown()
    for parsed, found in (parse_html(html), parse_markdown(markdown), parse_markdown(markdown, strict_escapes=True)):
        assert parsed == text
        assert styles_by_unit(parsed, found) == expected


@RUNS
@given(TREES)
@example(Tree(Text("a", Quote("b"), "\n\n", Quote("c"), "\n"), []))
@example(Tree(Bold(Strikethrough(Link(Text(Italic("a"), Underline("b")), "u"))), []))
@example(Tree(Strikethrough(Bold(Italic("x\n> y"))), []))
def test_any_tree_in_every_dialect(tree):
    assert_same_in_every_dialect(Text(tree.node))


@RUNS
@given(TREES)
def test_every_character_has_the_styles_around_it(tree):
    node = Text(tree.node)

    assert [item for item in styled_characters(*node.as_format()) if item[0] != "\n"] == tree.characters


@RUNS
@given(INLINE)
def test_inline_styles_add_no_character_and_reach_newlines(tree):
    node = Text(tree.node)

    assert node.plain.replace("\n", "") == "".join(sign for sign, _ in tree.characters)
    assert Bold(node).as_format()[1].get("bold", []) == (
        [{"offset": 0, "length": utf16_length(node.plain)}] if node else []
    )


@RUNS
@given(TREES)
def test_ranges_are_apart_and_exclude_what_they_must(tree):
    text, ranges = Text(tree.node).as_format()

    Format.model_validate(ranges)
    for style, items in ranges.items():
        ends = [(item["offset"], item["offset"] + item["length"]) for item in items]
        for (_, end), (start, _) in pairwise(ends):
            assert end <= start
            if style in INLINE_STYLES - {"mention", "link"}:
                assert end < start, "ranges that touch are one"
    for unit in styles_by_unit(text, ranges):
        names = {name for name, _ in unit}
        assert "pre" not in names or names == {"pre"}
        assert not names >= {"link", "mention"}
        assert len(names & BLOCKS) <= 1


@RUNS
@given(TREES)
def test_mentions_are_whole(tree):
    text, ranges = Text(tree.node).as_format()
    units = text.encode("utf-16-le", "surrogatepass")
    for item in ranges.get("mention", []):
        token = units[2 * item["offset"] : 2 * (item["offset"] + item["length"])].decode("utf-16-le")
        assert token[:2] == "@["
        assert token.index("]") == len(token) - 1


BOTH = [
    # node, HTML, MarkdownV2
    (Text("a*b<c&d"), "a*b&lt;c&amp;d", r"a\*b<c&d"),
    (Bold("x"), "<b>x</b>", "*x*"),
    (Italic("x"), "<i>x</i>", "_x_"),
    (Underline("x"), "<u>x</u>", "__x__"),
    (Strikethrough("x"), "<s>x</s>", "~x~"),
    (Code("a`b<c"), "<code>a`b&lt;c</code>", r"`a\`b<c`"),
    (Pre("x < 1", "python"), '<pre><code class="python">x &lt; 1</code></pre>', "```python\nx < 1\n```"),
    (Pre("x"), "<pre>x</pre>", "```\nx\n```"),
    (Link("Click", "https://e.com/?a&b=(c)"), '<a href="https://e.com/?a&amp;b=(c)">Click</a>', r"[Click](https://e.com/?a&b=(c\))"),
    (Mention("user_name@company.ru"), "@[user_name@company.ru]", r"@\[user\_name@company.ru\]"),
    (Quote("a\nb"), "<blockquote>a\nb</blockquote>", ">a\n>b"),
    (OrderedList(["a", Bold("b")]), "<ol><li>a</li><li><b>b</b></li></ol>", "1. a\n2. *b*"),
    (UnorderedList(["a", "b"]), "<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
    (Raw("<b>*x*</b>"), "<b>*x*</b>", "<b>*x*</b>"),
    # nesting
    (Bold("a ", Italic("b"), " c"), "<b>a <i>b</i> c</b>", "*a _b_ c*"),
    (Bold("a", Bold("b")), "<b>ab</b>", "*ab*"),
    (Text(Bold("a"), Bold("b")), "<b>ab</b>", "*ab*"),
    (Link(Bold("x"), "u"), '<a href="u"><b>x</b></a>', "[*x*](u)"),
    (Bold(Link("x", "u")), '<b><a href="u">x</a></b>', "*[x](u)*"),
    (Link(Text("a", Link("b", "v")), "u"), '<a href="u">a</a><a href="v">b</a>', "[a](u)[b](v)"),
    (Link(Text("a", Mention("b")), "u"), '<a href="u">a</a>@[b]', r"[a](u)@\[b\]"),
    (Bold(Code("x")), "<b><code>x</code></b>", "*`x`*"),
    (Code("a", Bold("b"), Code("c")), "<code>abc</code>", "`abc`"),
    (Bold(Raw("<i>x</i>")), "<b><i>x</i></b>", "*<i>x</i>*"),
    # what MarkdownV2 has no sign for
    (Text(Italic("a"), Underline("b")), "<i>a</i><u>b</u>", "_a_**__b__"),
    (Italic(Underline("x")), "<i><u>x</u></i>", "_**__x__**_"),
    (Bold(Italic("a"), Underline("b")), "<b><i>a</i><u>b</u></b>", "*_a_**__b__*"),
    (Text("- a\n1. b\n> c\n-d"), "- a\n1. b\n&gt; c\n-d", "**- a\n**1. b\n**> c\n-d"),
    (Bold("x\n- y"), "<b>x\n- y</b>", "*x\n**- y*"),
    (Quote("- a"), "<blockquote>- a</blockquote>", ">**- a"),
    (Text(Bold("x"), "> y"), "<b>x</b>&gt; y", "*x*> y"),
    (Bold(Strikethrough("x\n- y")), "<b><s>x\n- y</s></b>", "*~x\n~~- y~*"),
    (Bold(Strikethrough(Italic("x\n- y"))), "<b><s><i>x\n- y</i></s></b>", "*~_x\n_~~_- y_~*"),
    (Text("@", Link("x", "u")), '@<a href="u">x</a>', "@**[x](u)"),
    (Text("@[", Bold("x"), "]"), "@[<b>x</b>]", r"@**\[*x*\]"),
    # blocks stand on lines of their own
    (Text("a", Quote("b"), "c"), "a\n<blockquote>b</blockquote>\nc", "a\n>b\nc"),
    (Text("a\n", Quote("b"), "\nc"), "a\n<blockquote>b</blockquote>\nc", "a\n>b\nc"),
    (Text(Quote("a"), "\n\n", Quote("b")), "<blockquote>a</blockquote>\n\n<blockquote>b</blockquote>", ">a\n\n>b"),
    (Text(Quote("a"), Quote("b")), "<blockquote>a\nb</blockquote>", ">a\n>b"),
    (Text(Quote("a"), "\n", Quote("b")), "<blockquote>a\nb</blockquote>", ">a\n>b"),
    (Text(Quote("a"), "\n"), "<blockquote>a</blockquote>\n", ">a\n"),
    (Text("a", Quote(""), OrderedList([]), Pre(""), "b"), "ab", "ab"),
    (Text(Pre("a"), Pre("b")), "<pre>a</pre>\n<pre>b</pre>", "```\na\n```\n```\nb\n```"),
    (Bold("a", Pre("b")), "<b>a</b>\n<pre>b</pre>", "*a*\n```\nb\n```"),
    (Bold("a", Quote("b\nc")), "<b>a</b>\n<blockquote><b>b</b>\n<b>c</b></blockquote>", "*a*\n>*b*\n>*c*"),
    (UnorderedList(["a\nb"]), "<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
    (UnorderedList(["a", "", "b"]), "<ul><li>a</li><li></li><li>b</li></ul>", "- a\n- \n- b"),
    (UnorderedList(["", Quote("a")]), "\n<blockquote>a</blockquote>", "\n>a"),
    (Text(Raw("a\n"), Quote(Raw("<i>")), Raw("\nb")), "a\n\n<blockquote><i></blockquote>\n\nb", "a\n\n><i>\n\nb"),
    (UnorderedList([Raw("a\nb")]), "<ul><li>a\nb</li></ul>", "- a\nb"),
    (
        OrderedList(["a", UnorderedList(["b"]), "c"]),
        "<ol><li>a</li></ol>\n<ul><li>b</li></ul>\n<ol><li>c</li></ol>",
        "1. a\n- b\n1. c",
    ),
    (
        Quote("a", Pre("b"), "c"),
        "<blockquote>a</blockquote>\n<pre>b</pre>\n<blockquote>c</blockquote>",
        ">a\n```\nb\n```\n>c",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("node", "html", "markdown"), BOTH)
def test_exact_markup(node, html, markdown):
    assert node.as_html() == html
    assert node.as_markdown() == markdown


def test_exact_ranges():
    node = Text(
        "😀", Bold("a", Italic("b")), Link("c", "https://e.com/"), Mention("u@x"), Code("d"), Pre("e", "go"),
        OrderedList(["f", "g"]), UnorderedList(["h"]), Quote(Underline("i"), Strikethrough("j")),
    )  # fmt: skip

    text, ranges = node.as_format()

    assert text == "😀abc@[u@x]d\ne\nf\ng\nh\nij"
    assert ranges == {
        "bold": [{"offset": 2, "length": 2}],
        "italic": [{"offset": 3, "length": 1}],
        "underline": [{"offset": 21, "length": 1}],
        "strikethrough": [{"offset": 22, "length": 1}],
        "link": [{"offset": 4, "length": 1, "url": "https://e.com/"}],
        "mention": [{"offset": 5, "length": 6}],
        "inline_code": [{"offset": 11, "length": 1}],
        "pre": [{"offset": 13, "length": 1, "code": "go"}],
        "ordered_list": [{"offset": 15, "length": 3}],
        "unordered_list": [{"offset": 19, "length": 1}],
        "quote": [{"offset": 21, "length": 2}],
    }
    assert Format.model_validate(ranges).model_dump(mode="json", exclude_defaults=True) == ranges


def test_neighbouring_mentions_are_two_ranges_and_neighbouring_links_of_one_address_one():
    assert Text(Mention("a"), Mention("a")).as_format()[1] == {
        "mention": [{"offset": 0, "length": 4}, {"offset": 4, "length": 4}]
    }
    assert Text(Link("a", "u"), Link(Bold("b"), "u"), Link("c", "v")).as_format()[1]["link"] == [
        {"offset": 0, "length": 2, "url": "u"},
        {"offset": 2, "length": 1, "url": "v"},
    ]
