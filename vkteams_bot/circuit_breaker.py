"""Whether something is there at all: while it is away it is not asked with every call, but now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from vkteams_bot.backoff import SERVER, Backoff


class CircuitBreaker:
    """Opens after so many failures in a row. While it is open one probe may try after each pause, and pauses grow.

    A failure during a pause belongs to what was on its way already, and lengthens nothing. May be used in any thread.
    """

    def __init__(
        self, *, failures: int = 5, backoff: Backoff = SERVER, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._backoff = backoff
        self._clock = clock
        self._lock = threading.Lock()
        self._close()

    @property
    def is_open(self) -> bool:
        """It counts as away."""
        return self._failures >= self._limit

    @property
    def is_paused(self) -> bool:
        """Not even one probe may try."""
        return self.pause_left > 0

    @property
    def pause_left(self) -> float:
        """Seconds until a probe may try; 0 when one may now, or none is needed."""
        return max(0.0, self._paused_until - self._clock())

    def record_success(self) -> bool:
        """It answered. True when it had counted as away."""
        with self._lock:
            was_open = self.is_open
            self._close()
            return was_open

    def record_failure(self) -> bool:
        """It did not answer. True when this made it count as away."""
        with self._lock:
            self._failures += 1
            if self.is_open and not self.is_paused:
                self._pause()
            return self._failures == self._limit

    def allows(self) -> bool:
        """Whether to try now. While it is open one caller after each pause is the probe, and the others are told no."""
        with self._lock:
            if not self.is_open:
                return True
            if self.is_paused:
                return False
            self._pause()  # the probe may take long, or never tell what became of it
            return True

    def room(self, free: int, in_flight: int) -> int:
        """How many of `free` may be sent beside what is on its way: one to try with, alone, while it is open."""
        if not self.is_open:
            return free
        return 0 if in_flight or self.is_paused else min(free, 1)

    def _close(self) -> None:
        self._failures = 0
        self._pauses = 0
        self._paused_until = float("-inf")

    def _pause(self) -> None:
        self._pauses += 1
        self._paused_until = self._clock() + self._backoff.pause(self._pauses)
