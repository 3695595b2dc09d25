"""Tokens never leave this process but in a request body: everything written down passes here."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

_TOKEN_SHAPE = re.compile(r"\b\d{3}\.\d{6,}\.\d{6,}(:|%3A)\d+", re.IGNORECASE)
_known: set[str] = set()
MASK = "[token]"
SHORTEST = 6
"""Less is no secret, and hiding it would take numbers and words out of every text."""


def remember_token(token: str) -> None:
    """From now on `redact` hides this token, whatever its shape, if it has SHORTEST characters."""
    if len(token) >= SHORTEST:
        _known.update((token, quote(token, safe=""), quote_plus(token)))


def redact(text: str) -> str:
    """The text without any token: those of this process's bots, and whatever looks like one."""
    for token in tuple(_known):  # Another thread may make a bot meanwhile.
        if token in text:
            text = text.replace(token, MASK)
    return _TOKEN_SHAPE.sub(MASK, text)
