"""Identifiers as the real server shapes them (botapi.md §1.8, §6.4)."""

from __future__ import annotations

import itertools
import mimetypes
import random
import string
import time
from collections.abc import Callable

BASE62 = string.digits + string.ascii_letters
FILE_KINDS = {"image": "0", "video": "8", "audio": "G"}
VOICE_KIND = "I"
STICKER_KIND = "2"
OTHER_KIND = "Z"


def file_type(filename: str) -> str | None:
    """image, video or audio by the name's ending; None for any other document."""
    guessed = (mimetypes.guess_type(filename)[0] or "").partition("/")[0]
    return guessed if guessed in FILE_KINDS else None


class Identifiers:
    """Gives out ids that are never given again, nor after a restart a millisecond later."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last_message = 0
        self._chats = itertools.count(1001)
        self._queries = itertools.count(1)

    def message(self) -> str:
        """The unix time in the upper half, a small number below; ascending, as a number and as text."""
        seconds, fraction = divmod(self._clock(), 1)
        self._last_message = max(self._last_message + 1, (int(seconds) << 32) | int(fraction * 1000))
        return str(self._last_message)

    def chat(self) -> str:
        return f"{next(self._chats)}@chat.agent"

    def query(self, user_id: str, bot_id: str) -> str:
        now = self._clock()
        return f"SVR:{user_id}:{bot_id}:{int(now * 1_000_000)}:{next(self._queries)}-{int(now)}"

    def file(self, filename: str, *, voice: bool = False, sticker: bool = False) -> str:
        """33 characters; the first tells the kind."""
        kind = FILE_KINDS.get(file_type(filename) or "", OTHER_KIND)
        kind = VOICE_KIND if voice else STICKER_KIND if sticker else kind
        return f"{kind}{''.join(random.choices(BASE62, k=21))}{int(self._clock()):08x}1ab"

    def event(self) -> int:
        """Where a queue may begin: above everything an earlier run gave out, at up to 1 000 events a second."""
        return int(self._clock() * 1000)
