"""split_text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.test_dialects import assert_same_in_every_dialect
from tests.text.trees import RUNS, TREES, styled_characters
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text import (
    Bold,
    Code,
    Italic,
    Link,
    Mention,
    OrderedList,
    Pre,
    Quote,
    Raw,
    Text,
    UnorderedList,
    split_text,
)

UNITS = [
    "a", " ", "\n", "я", "😀", "e\u0301", "e\u0301\u0323", "👨\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "🇷🇺", "\r\n",
    "\ud83d\ude00", "\u1112\u1161\u11ab", "🏴\U000e0067\U000e0062\U000e007f", "@[user@company.ru]", "क\u0903",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("", 5, []),
        ("short", 5, ["short"]),
        ("a b\nc d", 6, ["a b\n", "c d"]),
        ("a b\nc d", 4, ["a b\n", "c d"]),
        ("one two three", 9, ["one two ", "three"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("a\n\nb", 2, ["a\n", "\nb"]),
        ("\n\nabcdef", 4, ["\n\nab", "cdef"]),
        ("     ", 2, ["  ", "  ", " "]),
        ("a \u0301bc", 3, ["a \u0301", "bc"]),
        ("see @[u@x.y] now", 7, ["see ", "@[u@x.y]", " now"]),
        ("see @[not one", 7, ["see ", "@[not ", "one"]),
        ("x" * 5000, 4096, ["x" * 4096, "x" * 904]),
    ],
)
def test_where_text_is_cut(text, limit, pieces):
    assert split_text(text, limit) == pieces
    assert [piece.plain for piece in split_text(Bold(text), limit)] == pieces


def test_the_limit_is_4096_characters_unless_said():
    assert [len(piece) for piece in split_text("😀" * 4097)] == [4096, 1]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_not_cut(unit):
    assert split_text("x" + unit * 3 + "x", 1) == ["x", unit, unit, unit, "x"]


@RUNS
@given(st.lists(st.sampled_from(UNITS)), st.integers(1, 30))
def test_pieces_are_whole_units_within_the_limit(units, limit):
    text = "".join(units)
    ends = {len("".join(units[:count])) for count in range(len(units) + 1)}
    at = 0

    pieces = split_text(text, limit)

    assert "".join(pieces) == text
    for piece in pieces:
        assert piece
        assert len(piece) <= limit or piece in UNITS
        at += len(piece)
        assert at in ends


@RUNS
@given(st.text("ab \n", min_size=1), st.integers(1, 12))
def test_no_more_is_cut_than_must_be(text, limit):
    pieces = split_text(text, limit)

    assert "".join(pieces) == text
    for piece, following in pairwise(pieces):
        assert 0 < len(piece) <= limit
        head = (piece + following)[:limit].lstrip()
        if piece[-1] == "\n":
            continue
        assert "\n" not in piece.lstrip()
        assert piece[-1] == " " or " " not in head


@RUNS
@given(TREES, st.integers(1, 20))
def test_a_tree_keeps_its_styles(tree, limit):
    node = Text(tree.node)
    whole = styled_characters(*node.as_format())
    at = 0

    pieces = split_text(node, limit)

    assert "".join(piece.plain for piece in pieces) == node.plain
    for piece in pieces:
        assert piece
        assert_same_in_every_dialect(piece)
        characters = styled_characters(*piece.as_format())
        expected = whole[at : at + len(characters)]
        at += len(characters)
        if expected[-1][0] == "\n":  # it may leave its block
            assert characters.pop()[0] == expected.pop()[0]
        assert characters == expected
    if pieces and all(unit.isascii() and "@" not in unit and "\r" not in unit for unit in node.plain):
        assert max(len(piece) for piece in pieces) <= limit


LINES = [
    (Bold("one ", Italic("two"), " three"), 9, [Text(Bold("one ", Italic("two"), " ")), Text(Bold("three"))]),
    (Link("one two", "u"), 4, [Text(Link("one ", "u")), Text(Link("two", "u"))]),
    (Pre("a\nb", "go"), 2, [Text(Pre("a", "go"), "\n"), Text(Pre("b", "go"))]),
    (Quote("a\nb"), 2, [Text(Quote("a"), "\n"), Text(Quote("b"))]),
    (Quote("a b"), 2, [Text(Quote("a ")), Text(Quote("b"))]),
    (OrderedList(["a", "b", "c"]), 4, [Text(OrderedList(["a", "b"]), "\n"), Text(OrderedList(["c"]))]),
    (UnorderedList(["a", "", "b"]), 2, [Text(UnorderedList(["a"]), "\n"), Text(UnorderedList(["", "b"]))]),
    (Text("a", Quote("b"), "c"), 2, [Text("a\n"), Text(Quote("b"), "\n"), Text("c")]),
    (Text("ab", Raw("<b>cd</b>"), "ef"), 3, [Text("ab"), Text(Raw("<b>cd</b>")), Text("ef")]),
    (Text("a", Mention("user"), Code("bcd")), 2, [Text("a"), Text(Mention("user")), Text(Code("bc")), Text(Code("d"))]),
    (Raw("a@[u] b c"), 7, [Text(Raw("a@[u] b c"))]),
    (Bold("a\nb"), 2, [Text(Bold("a\n")), Text(Bold("b"))]),
    (Text(), 5, []),
    (Quote(""), 5, []),
]


@pytest.mark.parametrize(("node", "limit", "pieces"), LINES)
def test_exact_pieces_of_nodes(node, limit, pieces):
    assert split_text(node, limit) == pieces


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_an_invalid_call(limit):
    with pytest.raises(InvalidCall):
        split_text("a", limit)
