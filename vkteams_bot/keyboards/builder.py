"""InlineKeyboardBuilder: buttons first, rows later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import ValidationError

from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.keyboards.callback_data import CallbackDataFactory
from vkteams_bot.keyboards.inline_keyboard import Button, ButtonStyle, InlineKeyboardMarkup, NewButton


class InlineKeyboardBuilder:
    """Collects buttons and arranges them in rows. `as_markup()` gives the value to send."""

    def __init__(self, rows: Iterable[Iterable[Button]] = ()) -> None:
        self._rows: list[list[Button]] = [list(row) for row in rows]

    def button(
        self,
        text: str,
        *,
        callback_data: str | CallbackDataFactory | None = None,
        url: str | None = None,
        style: ButtonStyle | str | None = None,
    ) -> Self:
        """Add one button in a row of its own; `adjust()` rearranges. Raises InvalidCall unless it has one action."""
        if isinstance(callback_data, CallbackDataFactory):
            callback_data = callback_data.pack()
        return self.add(_new_button(text, callback_data, url, style))

    def add(self, *buttons: Button) -> Self:
        """Add buttons, each in a row of its own."""
        self._rows.extend([button] for button in buttons)
        return self

    def row(self, *buttons: Button, width: int | None = None) -> Self:
        """Add one row, or several of at most `width` buttons."""
        step = width or len(buttons) or 1
        self._rows.extend(list(buttons[start : start + step]) for start in range(0, len(buttons), step))
        return self

    def adjust(self, *sizes: int, repeat: bool = False) -> Self:
        """Rearrange all buttons in rows of these sizes; the last size goes on, or with `repeat` the whole pattern."""
        if not sizes or min(sizes) < 1:
            raise ValueError("row sizes must be positive")
        buttons = [button for row in self._rows for button in row]
        self._rows, start, turn = [], 0, 0
        while start < len(buttons):
            size = sizes[turn % len(sizes)] if repeat else sizes[min(turn, len(sizes) - 1)]
            self._rows.append(buttons[start : start + size])
            start, turn = start + size, turn + 1
        return self

    def attach(self, other: InlineKeyboardBuilder) -> Self:
        """Append the rows of another builder."""
        self._rows.extend([list(row) for row in other._rows])
        return self

    def copy(self) -> InlineKeyboardBuilder:
        return InlineKeyboardBuilder(self._rows)

    def as_markup(self) -> InlineKeyboardMarkup:
        return InlineKeyboardMarkup(tuple(tuple(row) for row in self._rows if row))


def _new_button(text: str, callback_data: str | None, url: str | None, style: ButtonStyle | str | None) -> Button:
    try:
        return NewButton(text=text, callback_data=callback_data, url=url, style=str(style) if style else None)
    except ValidationError as error:
        problems = [": ".join([*map(str, item["loc"]), item["msg"]]) for item in error.errors(include_input=False)]
        raise InvalidCall("; ".join(problem.removeprefix("Value error, ") for problem in problems)) from None
