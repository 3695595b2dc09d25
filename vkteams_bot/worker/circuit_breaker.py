"""Whether the server answers at all: while it does not, rows wait untried instead of failing one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable

from vkteams_bot.api.retry import Backoff

FAILURES = 5
"""So many in a row, and the server counts as away."""
BACKOFF = Backoff(first=0.5, longest=15.0)


class CircuitBreaker:
    """Counts requests in a row that got no proper answer. Of one account, in one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._paused_until = 0.0

    @property
    def is_away(self) -> bool:
        return self._failures >= FAILURES

    @property
    def is_paused(self) -> bool:
        """Not even one request may try whether the server is back."""
        return self._clock() < self._paused_until

    def note(self, *, answered: bool) -> None:
        if answered:
            self._failures = 0
            self._paused_until = 0.0
            return
        self._failures += 1
        if self.is_away:
            self._paused_until = self._clock() + BACKOFF.pause(self._failures - FAILURES + 1)

    def room(self, free: int, in_flight: int) -> int:
        """How many may be sent now: one to try with, while the server is away."""
        if not self.is_away:
            return free
        return 0 if in_flight or self.is_paused else min(free, 1)
