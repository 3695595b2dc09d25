"""What people see of a text, as HTML; and buttons as lines."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from tests.admin.conftest import HOSTILE
from vkteams_bot.admin.broadcasts.keyboard_field import KeyboardField, parsed, written
from vkteams_bot.admin.broadcasts.message_preview import preview_html
from vkteams_bot.api import ParseMode
from vkteams_bot.text import html, md
from vkteams_bot.text.parsing import MarkupError

LINK = ' target="_blank" rel="noopener noreferrer nofollow">'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>a <i>b</i></b> c", "<strong>a </strong><strong><em>b</em></strong> c"),
        ("<u>a</u><s>b</s><code>c &lt;</code>", "<u>a</u><s>b</s><code>c &lt;</code>"),
        ('<a href="https://e.com/?a&amp;b">x</a>', f'<a href="https://e.com/?a&amp;b"{LINK}x</a>'),
        ('<a href="javascript:x">x</a>', '<span class="vkt-mention" title="javascript:x">x</span>'),
        ("a\n<ul><li>b</li><li><b>c</b></li></ul>\nd", "a<ul><li>b</li><li><strong>c</strong></li></ul>d"),
        ("<ol><li>b</li></ol>", "<ol><li>b</li></ol>"),
        ("<pre>x\n\ny</pre>", "<pre>x\n\ny</pre>"),
        ("<blockquote>x\ny</blockquote>z", "<blockquote>x\ny</blockquote>z"),
        ("😀<b>b</b>😀", "😀<strong>b</strong>😀"),
        ("see https://e.com/x.", f'see <a href="https://e.com/x"{LINK}https://e.com/x</a>.'),
        ("<code>https://e.com</code>", "<code>https://e.com</code>"),
        ("hi @[a@b.c]!", 'hi <span class="vkt-mention">@a@b.c</span>!'),
        ("", ""),
    ],
)
def test_html(text: str, shown: str) -> None:
    assert preview_html(text, ParseMode.HTML) == shown


def test_markdown_and_plain_text() -> None:
    text = "*b* _i_\n>one\n>two\nthree\n- x\n- y\n"
    shown = "<strong>b</strong> <em>i</em><blockquote>one\ntwo</blockquote>three<ul><li>x</li><li>y</li></ul>"
    assert preview_html(text, ParseMode.MARKDOWNV2) == shown
    assert preview_html("*b* <b>\n", None) == "*b* &lt;b&gt;\n"


@pytest.mark.parametrize("mode", [None, *ParseMode])
def test_whatever_is_escaped_shows_as_it_is(mode: ParseMode | None) -> None:
    escape: Any = {None: str, ParseMode.HTML: html.escape, ParseMode.MARKDOWNV2: md.escape}[mode]
    shown = preview_html(escape(HOSTILE), mode)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_wrong_markup_is_refused() -> None:
    with pytest.raises(MarkupError):
        preview_html("<b>x", ParseMode.HTML)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("A = https://e.com/?a=b|c", [[{"text": "A", "url": "https://e.com/?a=b|c"}]]),
        (
            "A|B = callback:x=1|y | C = tel:+7\n\n[attention]D = callback:z",
            [
                [{"text": "A|B", "callbackData": "x=1|y"}, {"text": "C", "url": "tel:+7"}],
                [{"text": "D", "callbackData": "z", "style": "attention"}],
            ],
        ),
        ("1 = 2 = callback:a b", [[{"text": "1 = 2", "callbackData": "a b"}]]),
        (" \n", []),
    ],
)
def test_keyboards_are_lines(text: str, rows: Any) -> None:
    assert parsed(text) == rows
    assert parsed(written(rows)) == rows


def test_each_wrong_button_is_told() -> None:
    with pytest.raises(ValidationError) as caught:
        parsed("A = https://e.com | B\n[loud] C = callback:c\n = callback:d")
    assert [text.partition(":")[0] for text in caught.value.messages] == ["line 1", "line 2", "line 3"]


@pytest.mark.parametrize(
    "rows",
    [
        [[{"text": "A | B", "callbackData": "x"}]],
        [[{"text": "[primary] A", "callbackData": "x"}]],
        [[{"text": "A", "callbackData": "x", "style": "odd"}]],
        [[{"text": "two\nlines", "url": "https://e.com"}]],
        [[{"text": " padded", "url": "https://e.com"}]],
    ],
)
def test_what_lines_cannot_say_is_json(rows: Any) -> None:
    text = written(rows)
    assert text.startswith("[\n")
    assert KeyboardField().clean(text) == rows
    assert not KeyboardField().has_changed(rows, text)
    assert KeyboardField().has_changed(rows, "A = callback:y")
    assert KeyboardField().has_changed(rows, "nonsense")


@pytest.mark.parametrize(
    "text", ["A\0 = callback:a", '[[{"text": "\\u0000", "url": "x:y"}]]', '[[{"text": "\\ud800"}]]']
)
def test_what_cannot_be_stored_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="cannot be stored"):
        KeyboardField().clean(text)


def test_broken_json_is_told() -> None:
    for text in ("[[", '[["x"]]', "[[1]]"):
        with pytest.raises(ValidationError):
            KeyboardField().clean(text)
    assert KeyboardField().clean("[]") is None
