"""From which id a poll asks, so that a server that numbers its events anew is heard."""

from __future__ import annotations

import time

LONGEST_SILENCE = 3600.0


class Numbering:
    """Whether the server is known to number its events as before. While it is not, polls ask from 0.

    That acknowledges nothing, and shows a server's events whatever their ids are; a server that is as it was shows what
    was not acknowledged, or keeps silent until there is something new. So it is asked at the start, after a failed
    poll, and when nothing came for `silence` seconds; for twice as long when it only showed again what was stored.
    """

    def __init__(self, silence: float) -> None:
        self._shortest = self._silence = silence
        self._since = time.monotonic()
        self.is_known = False

    def doubt(self) -> None:
        """The server may have become another one."""
        self.is_known = False

    def heard(self, *, fresh: bool) -> None:
        """Events came, whether fresh ones or again."""
        self._silence = self._shortest if fresh else min(2 * self._silence, LONGEST_SILENCE)
        self._since = time.monotonic()
        self.is_known = True

    def heard_nothing(self) -> None:
        """A poll was empty."""
        if time.monotonic() - self._since >= self._silence:
            self.is_known = False
