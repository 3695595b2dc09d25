"""When a request may be sent again, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from vkteams_bot.api.methods import Method
from vkteams_bot.exceptions import CallError, NotSent, OutcomeUnknown, RateLimited, TLSError


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential pauses with jitter, in seconds."""

    first: float = 0.5
    factor: float = 2.0
    longest: float = 30.0

    def pause(self, failures: int) -> float:
        """The pause after the n-th failure in a row (n from 1), between 0.5 and 1 of its full length."""
        full = min(self.longest, self.first * self.factor ** min(failures - 1, 32))
        return full * (0.5 + random.random() / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """At most `retries` repeats, and only of what is safe: never left, told to come later, or without effect."""

    retries: int = 3
    backoff: Backoff = Backoff()

    def pause(self, error: CallError, method: Method[Any], attempt: int) -> float | None:
        """Seconds before the next attempt; None = give up. `attempt` counts from 1."""
        if attempt > self.retries or isinstance(error, TLSError):
            return None
        if isinstance(error, RateLimited):
            return error.retry_after if error.retry_after is not None else self.backoff.pause(attempt + 1)
        if isinstance(error, NotSent) or (isinstance(error, OutcomeUnknown) and method.safe_to_repeat):
            return self.backoff.pause(attempt)
        return None
