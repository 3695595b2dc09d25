"""Nodes as values."""

import dataclasses
from decimal import Decimal

import pytest
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from vkteams_bot.api.methods import SendText
from vkteams_bot.api.types import ParseMode
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text import Bold, Code, Italic, Link, Mention, OrderedList, Pre, Quote, Raw, Text, UnorderedList

EACH = [
    Text("a"), Bold("a"), Italic("a"), Code("a"), Pre("a"), Pre("a", "go"), Link("a", "u"), Link("a", "v"),
    Mention("a"), Quote("a"), OrderedList(["a"]), UnorderedList(["a"]), Raw("a"),
]  # fmt: skip


def test_nodes_are_equal_by_what_they_say():
    assert len({*EACH, *EACH}) == len(EACH)
    assert Bold("a", "b", Text("c", Text("d"))) == Bold("abcd")
    assert Text("", Bold("a"), "") == Text(Bold("a"))
    assert Link(Text("a"), "u") == Link("a", "u")
    assert Bold("a") not in ["a", Italic("a"), None]


@pytest.mark.parametrize("node", EACH)
def test_nodes_are_frozen_and_shown_as_code(node):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(node, dataclasses.fields(node)[0].name, "b")
    assert eval(repr(node)) == node


def test_adding():
    assert "a" + Bold("b") + "c" + Text("d", Italic("e")) == Text("a", Bold("b"), "cd", Italic("e"))
    assert Bold("a") + Bold("b") == Text(Bold("a"), Bold("b"))
    text = Text("a")
    text += "b"
    assert text == Text("ab")


@pytest.mark.parametrize("add", [lambda node: node + 1, lambda node: 1 + node, lambda node: None + node])
def test_only_strings_and_nodes_are_added(add):
    with pytest.raises(TypeError):
        add(Bold("a"))


def test_length_truth_and_string_are_of_the_plain_text():
    node = Text("😀", Bold("b"), Quote("c"))

    assert node.plain == str(node) == f"{node}" == "😀b\nc"
    assert len(node) == 4
    assert node
    assert not Bold(Italic(""), OrderedList([]))
    assert Raw("<b>").plain == "<b>"


def test_what_is_no_string_becomes_one():
    assert Text(1, " ", Decimal("2.50"), gettext_lazy("x")) == Text("1 2.50x")
    assert Bold(mark_safe("<br>")).as_html() == "<b>&lt;br&gt;</b>"


@pytest.mark.parametrize("part", [None, b"x", ["x"], ("x",), {"x": 1}, {"x"}])
def test_what_cannot_be_meant_is_an_invalid_call(part):
    with pytest.raises(InvalidCall, match="strings and nodes"):
        Bold("a", part)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Link("a", ""),
        lambda: Link("a", "http://a\nb"),
        lambda: Pre("a", "x y"),
        lambda: Pre("a", "`"),
        lambda: Mention(""),
        lambda: Mention("a]b"),
        lambda: Mention("a b"),
        lambda: Mention("a\\b"),
        lambda: OrderedList("ab"),
        lambda: UnorderedList(Bold("a")),  # type: ignore[arg-type]
        lambda: Bold("a").as_kwargs("XML"),
        lambda: Bold(Raw("<i>x</i>")).as_format(),
    ],
)
def test_misuse_is_an_invalid_call(make):
    with pytest.raises(InvalidCall):
        make()


def test_arguments_for_a_call():
    node = Bold("a")
    ranges = {"bold": [{"offset": 0, "length": 1}]}

    assert node.as_kwargs() == {"text": "<b>a</b>", "parse_mode": "HTML"}
    assert node.as_kwargs("MarkdownV2") == {"text": "*a*", "parse_mode": "MarkdownV2"}
    assert node.as_kwargs(mode="format") == {"text": "a", "parse_mode": None, "format": ranges}
    assert node.as_kwargs(ParseMode.HTML) == node.as_kwargs()


@pytest.mark.parametrize("mode", ["HTML", "MarkdownV2", "format"])
def test_the_arguments_are_what_a_method_takes(mode):
    sent = SendText(chat_id="c", **Bold("a").as_kwargs(mode))

    assert sent.params(default_parse_mode="HTML").get("parseMode") == (None if mode == "format" else mode)
    assert ("format" in sent.params()) == (mode == "format")
