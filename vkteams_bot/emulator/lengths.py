"""Lengths: how long texts and keyboards may be, where the switches set a limit (botapi.md §1.7)."""

from __future__ import annotations

from vkteams_bot.emulator.behaviour import Behaviour
from vkteams_bot.emulator.message import Rows
from vkteams_bot.emulator.refusal import Refusal


def check_text(text: str, behaviour: Behaviour) -> None:
    """Raises Refusal. The length is that of the text as the bot sends it."""
    _check(len(text), behaviour.longest_text, behaviour)


def check_caption(text: str, behaviour: Behaviour) -> None:
    """Raises Refusal."""
    _check(len(text), behaviour.longest_caption, behaviour)


def check_keyboard(rows: Rows, behaviour: Behaviour) -> None:
    """Raises Refusal."""
    _check(len(rows), behaviour.most_rows, behaviour)
    for row in rows:
        _check(len(row), behaviour.most_buttons_in_row, behaviour)
        for button in row:
            _check(len(button["text"]), behaviour.longest_button_text, behaviour)
            _check(len(button.get("callbackData", "").encode()), behaviour.longest_callback_data, behaviour)


def _check(size: int, limit: int, behaviour: Behaviour) -> None:
    if limit and size > limit:
        raise Refusal(behaviour.limit_error)
