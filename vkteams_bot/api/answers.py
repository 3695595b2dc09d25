"""From what came back to a result or one of our errors: the one boundary where foreign errors are translated."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError
from pydantic_core import from_json

from vkteams_bot import exceptions as exc
from vkteams_bot.api.methods import Method
from vkteams_bot.api.redaction import redact
from vkteams_bot.api.tls import REMEDY, certificate_problem

R = TypeVar("R")

# httpx raises these before the first byte of a request is written.
NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
)


def translate(error: Exception, method: Method[Any]) -> exc.CallError:
    """Our error for anything that httpx raises."""
    tls = certificate_problem(error)
    reason = redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    if isinstance(error, NEVER_LEFT):
        if tls is not None:
            return exc.TLSError(f"{redact(str(tls))}. {REMEDY}", method=method)
        return exc.NotSent(f"could not connect ({reason})", method=method)
    return exc.OutcomeUnknown(f"no answer ({reason})", method=method)


def read_answer(method: Method[R], status: int, retry_after: str | None, body: bytes, bot: Any) -> R:
    """The typed result. Raises Refused or OutcomeUnknown."""
    answer = _json_object(body)
    if status == 429:
        raise exc.RateLimited("Ratelimit", method=method, retry_after=_seconds(retry_after))
    if answer is None or not isinstance(answer.get("ok"), bool):
        raise _not_an_answer(method, status, answer)
    if answer["ok"] is False:
        raise _refusal(method, redact(str(answer.get("description", ""))))
    try:
        return method.decode(answer, bot)
    except (ValidationError, ValueError) as error:
        problem = f"{error.error_count()} wrong fields" if isinstance(error, ValidationError) else str(error)
        raise exc.OutcomeUnknown(f"the answer is not a result of this method: {problem}", method=method) from None


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = from_json(body)
    except ValueError:
        answer = _lenient_json(body)
    return answer if isinstance(answer, dict) else None


def _lenient_json(body: bytes) -> Any:
    """Lone surrogates or a broken byte in one event must not cost the batch."""
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _not_an_answer(method: Method[Any], status: int, answer: dict[str, Any] | None) -> exc.CallError:
    what = "an answer without `ok`" if answer is not None else "something that is not a JSON object"
    if 300 <= status < 500 and status not in (408, 425):
        return exc.BadRequest(f"HTTP {status}: is API_URL right? The server sent {what}", method=method)
    return exc.OutcomeUnknown(f"HTTP {status}: the server sent {what}", method=method)


def _seconds(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None


EXACT = {
    "invalid token": exc.InvalidToken,
    "unknown method": exc.UnknownMethod,
    "method not allowed": exc.MethodNotAllowed,
    "permission denied": exc.PermissionDenied,
    "format error": exc.FormatError,
    "ratelimit": exc.RateLimited,
}
NOT_FOUND = ("not found", "invalid chatid", "invalid file", "incorrect threadid")


def _refusal(method: Method[Any], description: str) -> exc.CallError:
    text = description.strip().lower()
    if text.startswith("server error"):
        return exc.OutcomeUnknown(description, method=method)
    known = EXACT.get(text)
    if known is not None:
        return known(description, method=method)
    if any(part in text for part in NOT_FOUND):
        return exc.NotFound(description, method=method)
    return exc.BadRequest(description or "the server refused without a reason", method=method)
