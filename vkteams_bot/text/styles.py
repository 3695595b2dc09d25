"""Styles by their wire names, what they exclude, and what a link, a mention and a language may be (botapi.md §4.3)."""

from __future__ import annotations

import re

from vkteams_bot.exceptions import InvalidCall

# In the order of the `format` JSON.
NAMES = (
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "link",
    "mention",
    "inline_code",
    "pre",
    "ordered_list",
    "unordered_list",
    "quote",
)
LINE_BLOCKS = frozenset({"ordered_list", "unordered_list", "quote"})

MENTION = re.compile(r"@\[[^\[\]\\\s]+\]")
LANGUAGE = re.compile(r"[\w+#.-]+")
URL = re.compile(r"[^\x00-\x1f\x7f]+")


def exclude(first: str, second: str) -> bool:
    """Whether two styles may not share a character; a style does not exclude itself here."""
    if first == second:
        return False
    styles = {first, second}
    return "pre" in styles or styles == {"link", "mention"} or styles <= LINE_BLOCKS


def mention_token(user_id: str) -> str:
    """What stands in the plain text for a mention. Raises InvalidCall for an id with white space, a bracket or `\\`."""
    token = f"@[{user_id}]"
    if not MENTION.fullmatch(token):
        raise InvalidCall(f"no user id can be {user_id!r}")
    return token


def checked_url(url: object) -> str:
    """Raises InvalidCall for an empty address or one with control characters."""
    text = str(url)
    if not URL.fullmatch(text):
        raise InvalidCall(f"no link can lead to {text!r}")
    return text


def checked_language(language: str | None) -> str:
    """Raises InvalidCall for anything but letters, digits and `_ + # . -`; None is the empty one."""
    if language and not LANGUAGE.fullmatch(language):
        raise InvalidCall(f"no language of code can be {language!r}")
    return language or ""


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units: what ranges count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
