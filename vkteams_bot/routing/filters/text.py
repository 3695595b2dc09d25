"""Filters on what a person wrote."""

from __future__ import annotations

import re
from typing import Any

from vkteams_bot.api.types import ForwardPart, Message, ReplyPart
from vkteams_bot.routing.filters.base import BaseFilter

LONGEST_TEXT = 4096
"""Patterns see this many characters of a text: a costly one must not block the loop for ever."""

_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'`]+", re.IGNORECASE)


class RegexpFilter(BaseFilter):
    """The pattern is found in the text or caption. Puts `regexp_match`."""

    provides = ("regexp_match",)

    def __init__(self, pattern: str | re.Pattern[str]) -> None:
        self.pattern = compiled(pattern)

    def __call__(self, event: Any) -> bool | dict[str, Any]:
        match = self.pattern.search(_written(event)[:LONGEST_TEXT])
        return {"regexp_match": match} if match is not None else False


class RegexpPartsFilter(BaseFilter):
    """The pattern is found in a message that this one quotes or forwards. Puts `regexp_parts_match`."""

    provides = ("regexp_parts_match",)

    def __init__(self, pattern: str | re.Pattern[str]) -> None:
        self.pattern = compiled(pattern)

    def __call__(self, event: Any) -> bool | dict[str, Any]:
        for part in getattr(event, "parts", ()):
            if isinstance(part, ReplyPart | ForwardPart):
                match = self.pattern.search((part.payload.message.text or "")[:LONGEST_TEXT])
                if match is not None:
                    return {"regexp_parts_match": match}
        return False


class URLFilter(BaseFilter):
    """The text or caption holds a web address. Puts the first as `url`. The address of an attached file is none."""

    provides = ("url",)

    def __call__(self, event: Any) -> bool | dict[str, Any]:
        text = event.caption if isinstance(event, Message) and event.files else _written(event)
        match = _URL.search((text or "")[:LONGEST_TEXT])
        return {"url": match[0]} if match is not None else False


def compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(pattern) if isinstance(pattern, str) else pattern


def _written(event: Any) -> str:
    text: str | None = event.content if isinstance(event, Message) else getattr(event, "text", None)
    return text or ""
