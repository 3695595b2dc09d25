"""What is repeated, after how long, how often and until when: the policies of all who send, over one table of outcomes.

`RetryPolicy` repeats in place, for whoever waits for the result. `RetryStrategy` repeats rows of the outbox, later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vkteams_bot.api.methods import Method
from vkteams_bot.api.outcomes import Kind, Outcome, outcome_of
from vkteams_bot.backoff import CALL, SERVER, Backoff
from vkteams_bot.exceptions import CallError, InvalidToken, TLSError

TO_BE_MENDED = (TLSError, InvalidToken)
"""Nothing changes before somebody mends it: who waits for the result is told at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """At most `retries` repeats, and only of what is safe: never left, told to come later, or without effect."""

    retries: int = 3
    backoff: Backoff = SERVER

    def pause(self, error: CallError, method: Method[Any], attempt: int) -> float | None:
        """Seconds before the next attempt; None = give up. `attempt` counts from 1."""
        outcome = outcome_of(method, error=error)
        if attempt > self.retries or isinstance(error, TO_BE_MENDED) or not outcome.repeatable:
            return None
        if outcome.retry_after is not None:
            return outcome.retry_after
        return self.backoff.pause(attempt + 1 if outcome.kind is Kind.THROTTLED else attempt)


@dataclass(frozen=True, slots=True)
class Retry:
    """When a call is tried again, and after which moment never."""

    due_at: datetime
    retry_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStrategy:
    """Repeats for `seconds` after the first try (`reply_seconds`: a reply) what never left or was told to come later.

    What may have been done is repeated only where that does no harm (or with `resend_unknown`), and at most `attempts`
    times in all. Nothing is repeated for ever: then the row stands as failed or unknown for an operator.
    """

    attempts: int = 5
    seconds: float = 24 * 3600
    reply_seconds: float = 3600
    resend_unknown: bool = False
    backoff: Backoff = CALL

    def next_try(
        self, outcome: Outcome, *, attempts: int, is_reply: bool, retry_until: datetime | None, now: datetime
    ) -> Retry | None:
        """After so many tries, the last of which had this outcome; None: it is final.

        `retry_until`: as an earlier try of the same call had it.
        """
        is_unknown = outcome.kind is Kind.UNKNOWN
        if not (outcome.repeatable or (is_unknown and self.resend_unknown)):
            return None
        if is_unknown and attempts >= self.attempts:
            return None
        lifetime = self.reply_seconds if is_reply else self.seconds
        until = retry_until or now + timedelta(seconds=lifetime)
        pause = outcome.retry_after if outcome.retry_after is not None else self.backoff.pause(attempts)
        # The server may tell any number; beyond the lifetime all are the same.
        due_at = now + timedelta(seconds=min(pause, lifetime + 1))
        return Retry(due_at, until) if due_at <= until else None
