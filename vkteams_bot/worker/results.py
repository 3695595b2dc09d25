"""From what one try of a call means to what its row says."""

from __future__ import annotations

from datetime import datetime

from vkteams_bot.api.outcomes import Kind, Outcome
from vkteams_bot.api.retry import RetryStrategy
from vkteams_bot.conf import conf
from vkteams_bot.models import OutgoingCall
from vkteams_bot.stores.outbox import ClaimedCall, Result

Status = OutgoingCall.Status

FINAL = {
    Kind.SENT: Status.SENT,
    Kind.NOT_SENT: Status.FAILED,
    Kind.THROTTLED: Status.FAILED,
    Kind.REFUSED: Status.FAILED,
    Kind.UNKNOWN: Status.UNKNOWN,
}


def retry_strategy() -> RetryStrategy:
    """As the settings say now."""
    return RetryStrategy(
        attempts=conf.retry_attempts,
        seconds=conf.retry_seconds,
        reply_seconds=conf.reply_retry_seconds,
        resend_unknown=conf.on_unknown == "resend",
    )


def result_of(call: ClaimedCall, outcome: Outcome, strategy: RetryStrategy, now: datetime) -> Result:
    """What to record after a try of this call."""
    attempts = call.attempts + 1
    is_reply = call.origin == OutgoingCall.Origin.REPLY
    retry = strategy.next_try(outcome, attempts=attempts, is_reply=is_reply, retry_until=call.retry_until, now=now)
    if retry is None:
        return Result(
            id=call.id, status=FINAL[outcome.kind], attempts=attempts, error=outcome.error, msg_id=outcome.msg_id
        )
    return Result(
        id=call.id,
        status=Status.QUEUED,
        attempts=attempts,
        error=outcome.error,
        due_at=retry.due_at,
        retry_until=retry.retry_until,
    )
