"""What an answer, or its absence, means for a call. The one place that decides it, for all who send."""

from __future__ import annotations

import asyncio
import enum
import logging
from dataclasses import dataclass
from typing import Any

from vkteams_bot.api.methods import Method, SendFile, SendText, SendTextWithDeeplink, SendVoice
from vkteams_bot.api.redaction import redact
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

logger = logging.getLogger("vkteams_bot.api")

CUT_SHORT = "The process was stopped before the answer came."
TO_A_CHAT = (SendText, SendTextWithDeeplink, SendFile, SendVoice)
NO_SUCH_CHAT = ("chatid", "chat not found")


class Kind(enum.StrEnum):
    """What became of one try."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    """It never left, or the server did not look at it because of the bot's token."""
    THROTTLED = "throttled"
    """Refused for now: the server wants it later."""
    REFUSED = "refused"
    """Refused for good, or it can never be sent."""
    UNKNOWN = "unknown"
    """It left and was not answered properly: done or not, nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one try. `repeatable`: to repeat it does no harm, whatever became of it."""

    kind: Kind
    error: str = ""
    msg_id: str = ""
    repeatable: bool = False
    retry_after: float | None = None
    is_answer: bool = True
    """The server is there and knows the bot."""
    unreachable: str = ""
    """Why nothing can be sent to the chat any more; "" when that was not said."""


def outcome_of(method: Method[Any], result: Any = None, error: BaseException | None = None) -> Outcome:
    """What a result, or what was raised, means."""
    if error is None:
        return Outcome(kind=Kind.SENT, msg_id=result.msg_id if isinstance(result, SentMessage) else "")
    match error:
        case NotSent() | InvalidToken():
            return Outcome(kind=Kind.NOT_SENT, error=str(error), repeatable=True, is_answer=False)
        case RateLimited():
            return Outcome(kind=Kind.THROTTLED, error=str(error), repeatable=True, retry_after=error.retry_after)
        case OutcomeUnknown():
            return Outcome(kind=Kind.UNKNOWN, error=str(error), repeatable=method.safe_to_repeat, is_answer=False)
        case asyncio.CancelledError():
            return Outcome(kind=Kind.UNKNOWN, error=CUT_SHORT, is_answer=False)
        case CallError():
            return Outcome(kind=Kind.REFUSED, error=str(error), unreachable=_unreachable(method, error))
        case InvalidCall():
            return Outcome(kind=Kind.REFUSED, error=str(error))
    # A bug of ours or of a storage: the row stands as refused, with the reason, instead of coming back for ever.
    logger.error("a call could not be sent", exc_info=error)
    return Outcome(kind=Kind.REFUSED, error=redact(f"{type(error).__name__}: {error}"))


def _unreachable(method: Method[Any], error: CallError) -> str:
    if not isinstance(method, TO_A_CHAT):
        return ""
    text = error.message.lower()
    is_gone = isinstance(error, NotFound) and any(part in text for part in NO_SUCH_CHAT)
    return error.message if is_gone or isinstance(error, PermissionDenied) or "blocked" in text else ""
