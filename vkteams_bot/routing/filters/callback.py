"""Filters on what a pressed button carries."""

from __future__ import annotations

import re
from typing import Any

from vkteams_bot.api.types import CallbackQuery
from vkteams_bot.routing.filters.base import BaseFilter
from vkteams_bot.routing.filters.text import LONGEST_TEXT, compiled


class CallbackData(BaseFilter):
    """The button carries exactly this text, or one that holds the pattern. Puts `callback_data`."""

    provides = ("callback_data",)

    def __init__(self, data: str | re.Pattern[str]) -> None:
        self.data = data

    def __call__(self, event: Any) -> bool | dict[str, Any]:
        if not isinstance(event, CallbackQuery):
            return False
        text = event.callback_data
        fits = text == self.data if isinstance(self.data, str) else self.data.search(text[:LONGEST_TEXT])
        return {"callback_data": text} if fits else False


class CallbackDataRegexpFilter(BaseFilter):
    """The pattern matches the button's text from its start. Puts `regexp_match`."""

    provides = ("regexp_match",)

    def __init__(self, pattern: str | re.Pattern[str]) -> None:
        self.pattern = compiled(pattern)

    def __call__(self, event: Any) -> bool | dict[str, Any]:
        if not isinstance(event, CallbackQuery):
            return False
        match = self.pattern.match(event.callback_data[:LONGEST_TEXT])
        return {"regexp_match": match} if match is not None else False
