"""What became of a method that was tried on a real installation."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from vkteams_bot.exceptions import CallError, MethodNotAllowed, PermissionDenied, Refused, UnknownMethod


class Verdict(enum.StrEnum):
    SUPPORTED = "supported"
    KNOWN = "known"
    """The server knows the method: it refused made-up parameters, so nothing was done."""
    REFUSED = "refused"
    UNKNOWN_METHOD = "unknown method"
    NOT_ALLOWED = "method not allowed"
    PERMISSION_DENIED = "permission denied"
    NO_ANSWER = "no answer"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Attempt:
    """`variant` says how a method was used when it was tried in several ways."""

    method: str
    variant: str
    verdict: Verdict
    detail: str = ""


def verdict_on(error: CallError) -> Verdict:
    """What a failure says of the method."""
    match error:
        case UnknownMethod():
            return Verdict.UNKNOWN_METHOD
        case MethodNotAllowed():
            return Verdict.NOT_ALLOWED
        case PermissionDenied():
            return Verdict.PERMISSION_DENIED
        case Refused():
            return Verdict.REFUSED
        case _:
            return Verdict.NO_ANSWER


def verdict_on_probe(error: CallError) -> Verdict:
    """The same where a refusal is what was hoped for."""
    verdict = verdict_on(error)
    return Verdict.KNOWN if verdict in (Verdict.REFUSED, Verdict.PERMISSION_DENIED) else verdict
