"""Inline keyboards: built, arranged, written as the wire wants them (botapi.md §5)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.keyboards import Button, ButtonStyle, InlineKeyboardBuilder, InlineKeyboardMarkup, NewButton


def button(text):
    return NewButton(text=text, callback_data=text)


def texts(keyboard):
    return ["".join(button.text for button in row) for row in keyboard.as_markup()]


def of(letters):
    return InlineKeyboardBuilder().add(*map(button, letters))


def test_documented_keyboard_on_the_wire():
    keyboard = (
        InlineKeyboardBuilder()
        .row(
            NewButton(text="Make a query", callback_data="RXhhbXBsZSBjYWxsYmFjayBkYXRhCg==", style=ButtonStyle.PRIMARY),
            NewButton(text="Cancel", callback_data="cancel", style="attention"),
        )
        .button("Visit website", url="http://mail.ru", style=ButtonStyle.BASE)
        .as_markup()
    )
    assert keyboard.wire() == (
        '[[{"text":"Make a query","callbackData":"RXhhbXBsZSBjYWxsYmFjayBkYXRhCg==","style":"primary"},'
        '{"text":"Cancel","callbackData":"cancel","style":"attention"}],'
        '[{"text":"Visit website","url":"http://mail.ru","style":"base"}]]'
    )


def test_styles_are_those_of_the_api():
    assert [str(style) for style in ButtonStyle] == ["base", "primary", "attention"]


@pytest.mark.parametrize("style", [None, "primary", ButtonStyle.PRIMARY, "secondary"])
def test_style_is_sent_when_given(style):
    sent = json.loads(InlineKeyboardBuilder().button("a", url="u", style=style).as_markup().wire())
    assert sent == [[{"text": "a", "url": "u", **({"style": str(style)} if style else {})}]]


def test_buttons_and_rows_are_added_below():
    keyboard = of("ab").row(*map(button, "cde")).button("f", url="u")
    assert texts(keyboard) == ["a", "b", "cde", "f"]
    assert texts(keyboard.row(*map(button, "ghijk"), width=2)) == ["a", "b", "cde", "f", "gh", "ij", "k"]
    assert texts(InlineKeyboardBuilder().row()) == []


@pytest.mark.parametrize(
    ("sizes", "repeat", "rows"),
    [
        ((1,), False, ["a", "b", "c", "d", "e", "f", "g"]),
        ((2, 1), False, ["ab", "c", "d", "e", "f", "g"]),
        ((1, 3), False, ["a", "bcd", "efg"]),
        ((2, 1), True, ["ab", "c", "de", "f", "g"]),
        ((10,), False, ["abcdefg"]),
        ((3, 3, 3, 3), False, ["abc", "def", "g"]),
    ],
)
def test_adjust(sizes, repeat, rows):
    assert texts(of("abcdefg").adjust(*sizes, repeat=repeat)) == rows


@pytest.mark.parametrize("sizes", [(), (0,), (2, -1)])
def test_row_sizes_must_be_positive(sizes):
    with pytest.raises(ValueError, match="row sizes must be positive"):
        of("ab").adjust(*sizes)


@given(st.integers(0, 30), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.booleans())
def test_adjust_keeps_every_button_in_order(count, sizes, repeat):
    letters = [chr(0x400 + number) for number in range(count)]
    rows = texts(of(letters).adjust(*sizes, repeat=repeat))
    assert "".join(rows) == "".join(letters)
    assert all(rows)
    assert max(map(len, rows), default=0) <= max(sizes)


def test_attach_appends_the_rows_of_another():
    other = of("cd").adjust(2)
    assert texts(of("ab").attach(other)) == ["a", "b", "cd"]
    assert texts(other) == ["cd"]


def test_attaching_itself_doubles_it():
    keyboard = of("ab")
    assert texts(keyboard.attach(keyboard)) == ["a", "b", "a", "b"]


def test_copy_and_markup_do_not_follow_later_changes():
    keyboard = of("ab")
    copy, markup = keyboard.copy(), keyboard.as_markup()
    keyboard.button("c", url="u").adjust(3)
    assert texts(copy) == ["a", "b"]
    assert len(markup) == 2
    assert [b.text for b in markup.buttons] == ["a", "b"]


def test_builder_starts_from_a_keyboard_that_came():
    came = InlineKeyboardMarkup.model_validate([[{"text": "a", "callbackData": "1", "style": "new"}], []])
    keyboard = InlineKeyboardBuilder(came).button("b", url="u")
    assert json.loads(keyboard.as_markup().wire()) == [
        [{"text": "a", "callbackData": "1", "style": "new"}],
        [{"text": "b", "url": "u"}],
    ]


@pytest.mark.parametrize(
    "action", [{}, {"url": "u", "callback_data": "c"}, {"url": None, "callback_data": None}], ids=repr
)
def test_button_takes_exactly_one_action(action):
    with pytest.raises(InvalidCall, match=r"^a button takes exactly one of url and callback_data$"):
        InlineKeyboardBuilder().button("a secret text", **action)


def test_wrong_button_names_the_field():
    with pytest.raises(InvalidCall, match=r"^text: Input should be a valid string"):
        InlineKeyboardBuilder().button(None, url="u")  # type: ignore[arg-type]


def test_empty_callback_data_is_an_action():
    keyboard = InlineKeyboardBuilder().button("a", callback_data="")
    assert keyboard.as_markup().wire() == '[[{"text":"a","callbackData":""}]]'


def test_keyboards_are_values():
    assert of("ab").as_markup() == of("ab").as_markup() != of("ba").as_markup()
    with pytest.raises(ValueError, match="frozen"):
        button("a").text = "b"
    assert Button(text="a", url="u").callback_data is None


@given(
    st.lists(
        st.lists(st.builds(Button, text=st.text(), url=st.none() | st.text(), style=st.none() | st.text()), max_size=3),
        max_size=3,
    )
)
def test_any_keyboard_is_read_back_as_written(rows):
    keyboard = InlineKeyboardMarkup.model_validate(rows)
    assert InlineKeyboardMarkup.model_validate_json(keyboard.wire()) == keyboard
