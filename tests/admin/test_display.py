"""Small pieces of pages."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone, translation

from vkteams_bot.admin.display import ago, badge, coming, ids, last_line, lasted, one_line


@pytest.mark.parametrize(
    ("seconds", "english", "russian"),
    [
        (0, "just now", "только что"),
        (1, "1 second ago", "1 секунду назад"),
        (59, "59 seconds ago", "59 секунд назад"),
        (60, "1 minute ago", "1 минуту назад"),
        (3_599, "59 minutes ago", "59 минут назад"),
        (2 * 3_600, "2 hours ago", "2 часа назад"),
        (25 * 3_600, "1 day ago", "1 день назад"),
        (-61, "in 2 minutes", "через 2 минуты"),
        (-3 * 3_600 - 60, "in 3 hours", "через 3 часа"),
        (-5 * 86_400 - 60, "in 5 days", "через 5 дней"),
    ],
)
def test_a_moment_is_told_from_now(seconds: int, english: str, russian: str) -> None:
    moment = timezone.now() - timedelta(seconds=seconds + 0.5)
    show = coming if seconds < 0 else ago
    for language, text in (("en", english), ("ru", russian)):
        with translation.override(language):
            assert f">{text}</time>" in show(moment)


def test_no_moment() -> None:
    assert ago(None) == coming(None) == "–"


@pytest.mark.parametrize(("seconds", "text"), [(0.05, "0.05 s"), (12.3, "12 s"), (3_661, "1:01:01"), (-5, "0.00 s")])
def test_how_long_something_took(seconds: float, text: str) -> None:
    start = timezone.now()
    assert lasted(start, start + timedelta(seconds=seconds)) == text


def test_one_line_is_short_and_flat() -> None:
    assert one_line("a\n  b\tc") == "a b c"
    assert len(one_line("word " * 100)) <= 100
    assert one_line(None) == ""


def test_the_last_line_of_a_traceback_is_the_error() -> None:
    assert last_line("Traceback:\n  File\nKeyError: 'x'\n\n") == "KeyError: 'x'"
    assert last_line("") == ""


def test_pieces_escape() -> None:
    assert "<b>" not in badge("<b>", "bad", "<b>")
    assert ids("<a>", "<a>") == "&lt;a&gt;"
    assert ids("", "") == "–"
    assert re.sub("<br>", "|", ids("a", "b")) == "a|b"
