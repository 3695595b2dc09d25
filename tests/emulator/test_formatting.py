"""Markup: what comes out is plain text and ranges in UTF-16 units."""

import contextlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.text.trees import RUNS, TREES, styles_by_unit
from vkteams_bot.api.types import Format, ParseMode
from vkteams_bot.emulator.formatting import plain_and_ranges
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.text import Text
from vkteams_bot.text.parsing import MarkupError, parse_html

WRAPPED = {
    "b": "<b>{}</b>",
    "s": "<s>{}</s>",
    "code": "<code>{}</code>",
    "pre": '<pre class="go">{}</pre>',
    "link": '<a href="u">{}</a>',
    "quote": "<blockquote>{}</blockquote>",
    "list": "<ul><li>{}</li></ul>",
}
TAGGED = st.recursive(
    st.sampled_from(["", "a", "😀", "b c"]),
    lambda inner: (
        st.lists(inner, max_size=4).map("".join)
        | st.builds(lambda kind, content: WRAPPED[kind].format(content), st.sampled_from([*WRAPPED]), inner)
    ),
    max_leaves=12,
)


@given(TAGGED)
@example("<s>a<pre><b>b</b>c</pre><blockquote>d<ul><li>e</li></ul></blockquote></s>")
def test_what_excludes_other_styles_does_so_however_tags_nest(source):
    with contextlib.suppress(MarkupError):
        text, ranges = parse_html(source)
        assert text == re.sub("<[^>]*>", "", source)
        assert plain_and_ranges(text, None, Format.model_validate(ranges)) == (text, ranges)


@RUNS
@given(TREES)
def test_any_tree_is_shown_the_same_in_whichever_way_it_is_sent(tree):
    node = Text(tree.node)
    text, ranges = node.as_format()
    ways = [
        (node.as_html(), ParseMode.HTML, None),
        (node.as_markdown(), ParseMode.MARKDOWNV2, None),
        (text, None, Format.model_validate(ranges)),
    ]
    for source, mode, format in ways:
        shown, found = plain_and_ranges(source, mode, format)
        assert shown == text
        assert styles_by_unit(shown, found, without="mention") == styles_by_unit(text, ranges, without="mention")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_plain_text_is_kept(text):
    assert plain_and_ranges(text, None, None) == (text, {})


def test_a_format_is_kept_as_it_came():
    ranges = {"bold": [{"offset": 0, "length": 2}], "pre": [{"offset": 2, "length": 1, "code": "go"}]}

    assert plain_and_ranges("😀x", None, Format.model_validate(ranges)) == ("😀x", ranges)


def test_a_format_beyond_the_text_is_a_format_error():
    with pytest.raises(Refusal, match=r"^Format error$"):
        plain_and_ranges("😀", None, Format.model_validate({"bold": [{"offset": 1, "length": 2}]}))


@pytest.mark.parametrize(
    "ranges",
    [
        {"bold": [{"offset": 0, "length": 2}, {"offset": 1, "length": 2}]},
        {"pre": [{"offset": 0, "length": 2}], "bold": [{"offset": 1, "length": 1}]},
        {"link": [{"offset": 0, "length": 2, "url": "u"}], "mention": [{"offset": 0, "length": 1}]},
        {"quote": [{"offset": 0, "length": 1}], "ordered_list": [{"offset": 0, "length": 3}]},
    ],
)
def test_ranges_that_exclude_each_other_are_a_format_error(ranges):
    with pytest.raises(Refusal, match=r"^Format error$"):
        plain_and_ranges("abc", None, Format.model_validate(ranges))


def test_ranges_that_touch_or_may_share_a_place_are_taken():
    ranges = {
        "bold": [{"offset": 0, "length": 1}, {"offset": 1, "length": 1}],
        "italic": [{"offset": 0, "length": 2}],
        "pre": [{"offset": 2, "length": 1}],
    }
    assert plain_and_ranges("abc", None, Format.model_validate(ranges)) == ("abc", ranges)


@pytest.mark.parametrize(("mode", "source"), [(ParseMode.HTML, "<b>x</b>"), (ParseMode.MARKDOWNV2, "*x*")])
def test_the_parse_mode_chooses_the_parser(mode, source):
    assert plain_and_ranges(source, mode, None) == ("x", {"bold": [{"offset": 0, "length": 1}]})
