"""From what came back to what the row says."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from vkteams_bot.api.methods import SendFile, SendText, SendTextWithDeeplink, SendVoice
from vkteams_bot.api.redaction import redact
from vkteams_bot.api.retry import Backoff
from vkteams_bot.api.types import SentMessage
from vkteams_bot.exceptions import (
    CallError,
    InvalidCall,
    InvalidToken,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
)
from vkteams_bot.models import OutgoingCall
from vkteams_bot.stores.results import Result
from vkteams_bot.worker.sender import Completed

logger = logging.getLogger("vkteams_bot.worker")
Status = OutgoingCall.Status

BACKOFF = Backoff(first=1.0, longest=60.0)
CUT_SHORT = "The worker was stopped before the answer came."
TO_A_CHAT = (SendText, SendTextWithDeeplink, SendFile, SendVoice)
NO_SUCH_CHAT = ("chatid", "chat not found")


def outcome_of(completed: Completed, now: datetime, *, resend_unknown: bool) -> Result:
    """What to write. A call that never left, or was told to come later, waits again: it is never given up."""
    claim, error = completed.flight.claim, completed.error
    if error is None:
        msg_id = completed.result.msg_id if isinstance(completed.result, SentMessage) else ""
        return Result(claim=claim, status=Status.SENT, msg_id=msg_id)
    if isinstance(error, NotSent | RateLimited | InvalidToken):
        return _later(completed, now)
    if isinstance(error, OutcomeUnknown):
        if resend_unknown or completed.flight.method.safe_to_repeat:
            return _later(completed, now)
        return Result(claim=claim, status=Status.UNKNOWN, error=str(error))
    if isinstance(error, asyncio.CancelledError):
        return Result(claim=claim, status=Status.UNKNOWN, error=CUT_SHORT)
    if not isinstance(error, CallError | InvalidCall):
        logger.error("a call could not be sent", exc_info=error, extra={"call": str(claim.id)})
        return Result(claim=claim, status=Status.FAILED, error=redact(f"{type(error).__name__}: {error}"))
    return Result(claim=claim, status=Status.FAILED, error=str(error))


def _later(completed: Completed, now: datetime) -> Result:
    seconds = completed.error.retry_after if isinstance(completed.error, RateLimited) else None
    if seconds is None:
        seconds = BACKOFF.pause(completed.flight.claim.attempts + 1)
    due_at = now + timedelta(seconds=seconds)
    return Result(claim=completed.flight.claim, status=Status.QUEUED, error=str(completed.error), due_at=due_at)


def answered(completed: Completed) -> bool:
    """The server is there and knows the bot."""
    return not isinstance(completed.error, NotSent | OutcomeUnknown | InvalidToken)


def unreachable(completed: Completed) -> str:
    """Why nothing can be sent to the chat any more; "" when that is not said."""
    error = completed.error
    if not isinstance(completed.flight.method, TO_A_CHAT) or not isinstance(error, CallError):
        return ""
    text = error.message.lower()
    gone = isinstance(error, NotFound) and any(part in text for part in NO_SUCH_CHAT)
    return error.message if gone or isinstance(error, PermissionDenied) or "blocked" in text else ""
