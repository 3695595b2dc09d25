"""FormatBuilder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.trees import RUNS
from vkteams_bot.api.types import Format
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text import FormatBuilder, Text

SIMPLE = {
    "bold": "bold",
    "italic": "italic",
    "underline": "underline",
    "strikethrough": "strikethrough",
    "code": "inline_code",
    "pre": "pre",
    "ordered_list": "ordered_list",
    "unordered_list": "unordered_list",
    "quote": "quote",
}


@pytest.mark.parametrize(("method", "style"), SIMPLE.items())
def test_a_style(method, style):
    by_place, by_text, everywhere = FormatBuilder("😀ab ab"), FormatBuilder("😀ab ab"), FormatBuilder("😀ab ab")

    assert getattr(by_place, method)(1, 2) is by_place
    assert getattr(by_text, method + "_text")("ab") is by_text
    assert getattr(everywhere, method + "_text")("ab", all=True) is everywhere

    assert by_place.build() == by_text.build() == {style: [{"offset": 2, "length": 2}]}
    assert everywhere.build() == {style: [{"offset": 2, "length": 2}, {"offset": 5, "length": 2}]}


def test_link_pre_and_mention():
    builder = (
        FormatBuilder("shop @[u@x] x=1 y=2")
        .pre(16, 3)
        .pre_text("x=1", "python")
        .link(0, 2, "https://s.h/")
        .link_text("op", url="https://o.p/")
        .mention_text("@[u@x]")
    )

    assert builder.build() == {
        "link": [{"offset": 0, "length": 2, "url": "https://s.h/"}, {"offset": 2, "length": 2, "url": "https://o.p/"}],
        "mention": [{"offset": 5, "length": 6}],
        "pre": [{"offset": 12, "length": 3, "code": "python"}, {"offset": 16, "length": 3}],
    }
    assert FormatBuilder("@[u]").mention(0, 4).build() == {"mention": [{"offset": 0, "length": 4}]}
    assert Format.model_validate(builder.build()).pre[0].code == "python"


def test_the_text_is_kept_and_nothing_is_no_range():
    assert FormatBuilder("a").text == "a"
    assert FormatBuilder("a").build() == {}


@pytest.mark.parametrize(
    "call",
    [
        lambda builder: builder.bold(-1, 2),
        lambda builder: builder.bold(0, 0),
        lambda builder: builder.bold(0, -1),
        lambda builder: builder.bold(8, 2),
        lambda builder: builder.bold_text("absent"),
        lambda builder: builder.bold_text(""),
        lambda builder: builder.link(0, 1, ""),
        lambda builder: builder.link_text("a", "x\ny"),
        lambda builder: builder.pre(0, 1, "no language"),
        lambda builder: builder.mention(0, 3),
    ],
)
def test_misuse_is_an_invalid_call(call):
    with pytest.raises(InvalidCall):
        call(FormatBuilder("abc @[u] "))


TEXT = "@[user@x]"
WHOLE = (0, len(TEXT))


def styled(builder, style):
    if style == "link":
        return builder.link(*WHOLE, "u")
    method = "code" if style == "inline_code" else style
    return getattr(builder, method)(*WHOLE)


STYLES = [*SIMPLE.values(), "link", "mention"]
EXCLUDED = {frozenset({"pre", style}) for style in STYLES if style != "pre"} | {
    frozenset({"link", "mention"}),
    frozenset({"ordered_list", "unordered_list"}),
    frozenset({"ordered_list", "quote"}),
    frozenset({"unordered_list", "quote"}),
}


@pytest.mark.parametrize("one", STYLES)
@pytest.mark.parametrize("other", STYLES)
def test_styles_that_exclude_each_other(one, other):
    builder = styled(styled(FormatBuilder(TEXT), one), other)

    if one == other or frozenset({one, other}) in EXCLUDED:
        for check in (builder.validate, builder.build):
            with pytest.raises(InvalidCall, match=rf"{one} 0\.\.9 and {other} 0\.\.9"):
                check()
    else:
        assert builder.validate() is builder
        assert set(builder.build()) == {one, other}


def test_ranges_that_touch_are_allowed_and_any_overlap_is_found():
    assert FormatBuilder("abcd").bold(2, 2).bold(0, 2).build() == {
        "bold": [{"offset": 0, "length": 2}, {"offset": 2, "length": 2}]
    }
    with pytest.raises(InvalidCall, match=r"bold 0\.\.8 and pre 6\.\.7"):
        FormatBuilder("abcdefgh").pre(6, 1).bold(0, 8).italic(2, 1).validate()


@RUNS
@given(st.text(max_size=20), st.data())
def test_ranges_cover_in_utf16_what_was_meant(text, data):
    text += "😀"
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))

    [item] = FormatBuilder(text).bold(start, end - start).build()["bold"]

    units = text.encode("utf-16-le")
    assert units[2 * item["offset"] : 2 * (item["offset"] + item["length"])].decode("utf-16-le") == text[start:end]


def test_texts_stay_out_of_messages():
    with pytest.raises(InvalidCall) as caught:
        FormatBuilder("My name is Ann").bold_text("Bob")
    assert "Bob" not in str(caught.value)
    with pytest.raises(InvalidCall) as caught:
        Text(["Bob"])
    assert "Bob" not in str(caught.value)
