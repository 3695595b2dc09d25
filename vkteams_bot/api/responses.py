"""From what came back to a result or one of our errors: the one boundary where foreign errors are translated."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError
from pydantic_core import from_json

from vkteams_bot import exceptions as exc
from vkteams_bot.api.http.tls import REMEDY, certificate_problem
from vkteams_bot.api.lenient import problems_of
from vkteams_bot.api.methods import Method
from vkteams_bot.api.redaction import redact

R = TypeVar("R")

# All that httpx raises, and what comes through it from the system (a disk that fails in the middle of an upload).
FOREIGN = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError, OSError)

# Raised before the first byte of a request is written, or (LocalProtocolError) before its last: nobody can act on it.
NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
)

TOO_LARGE = (413, 414)
LONGEST_RETRY_AFTER = 24 * 3600.0
LONGEST_DESCRIPTION = 500
LONGEST_NUMBER = 1000  # digits
DEEPEST = 100
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
MANY_CHARACTERS = 4096

ADDRESS = "Is API_URL right? It begins with the server's own https:// or http:// and ends with /bot/v1"
PROXY = "Is PROXY (or the variable VKT_PROXY) right?"
LARGEST_BODY = "Servers take at most 50 MB"


def translate(error: Exception, method: Method[Any]) -> exc.CallError:
    """Our error for anything of FOREIGN."""
    tls = certificate_problem(error)
    reason = redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    if isinstance(error, NEVER_LEFT):
        if tls is not None:
            return exc.TLSError(redact(str(tls)), method=method, hint=REMEDY)
        hint = PROXY if isinstance(error, httpx.ProxyError) else None
        return exc.NotSent(f"could not connect ({reason})", method=method, hint=hint)
    return exc.OutcomeUnknown(f"no answer ({reason})", method=method, hint=_hint_without_answer(error, method))


def _hint_without_answer(error: Exception, method: Method[Any]) -> str:
    hints = [exc.OutcomeUnknown.hint]
    if method.upload is not None:
        hints.append(LARGEST_BODY)
    elif isinstance(error, httpx.RemoteProtocolError):
        hints.append(ADDRESS)
    return ". ".join(hints)


def read_answer(method: Method[R], status: int, retry_after: str | None, body: bytes, bot: Any) -> R:
    """The typed result. Raises Refused or OutcomeUnknown."""
    answer = _json_object(body)
    if status == 429:
        raise exc.RateLimited("Ratelimit", method=method, retry_after=_seconds(retry_after))
    if answer is None or not isinstance(answer.get("ok"), bool):
        raise _not_an_answer(method, status, answer)
    if answer["ok"] is False:
        raise _refusal(method, status, _one_line(answer.get("description")), _seconds(retry_after))
    try:
        return method.decode(answer, bot)
    except (ValidationError, ValueError) as error:
        problem = redact(problems_of(error)) if isinstance(error, ValidationError) else str(error)
        raise exc.OutcomeUnknown(f"the answer is not a result of this method: {problem}", method=method) from None


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = from_json(body)
    except ValueError:
        answer = _lenient_json(body)
    return answer if isinstance(answer, dict) else None


def _lenient_json(body: bytes) -> Any:
    """Lone surrogates, a broken byte, an endless number or a deep value in one event must not cost the batch."""
    text = body.decode("utf-8", "replace")
    try:
        try:
            return json.loads(text, parse_int=_whole_number)
        except RecursionError:
            return json.loads(_without_depths(text), parse_int=_whole_number)
    except (ValueError, RecursionError):
        return None


def _without_depths(text: str) -> str:
    """The JSON text with null for whatever stands deeper than DEEPEST lists and objects."""
    kept: list[str] = []
    depth = start = 0
    for token in _NESTING.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept += (text[start : token.start()], "null")
        elif token[0] in "]}":
            if depth == DEEPEST + 1:
                start = token.end()
            depth -= 1
    return "".join([*kept, text[start:]])


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_NUMBER else float(digits)


def _not_an_answer(method: Method[Any], status: int, answer: dict[str, Any] | None) -> exc.CallError:
    what = "an answer without `ok`" if answer is not None else "something that is not a JSON object"
    problem = f"HTTP {status}: the server sent {what}"
    if status in TOO_LARGE:
        return exc.BadRequest(
            f"{problem}: the request is too large", method=method, hint=_shorter(method) or LARGEST_BODY
        )
    if 300 <= status < 500 and status not in (408, 425):
        return exc.BadRequest(problem, method=method, hint=ADDRESS)
    hint = f"{exc.OutcomeUnknown.hint}. {ADDRESS}" if status < 300 else None
    return exc.OutcomeUnknown(problem, method=method, hint=hint)


def _shorter(method: Method[Any]) -> str | None:
    """The advice for a text of more characters than most clients send; servers do not say what they take."""
    text = getattr(method, "text", None) or getattr(method, "caption", None) or ""
    if len(text) <= MANY_CHARACTERS:
        return None
    return f"The text has {len(text)} characters: split_text makes several messages of it"


def _seconds(value: str | None) -> float | None:
    """None for what is no time to wait: a date, infinity, more than a day."""
    try:
        seconds = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds <= LONGEST_RETRY_AFTER else None


def _one_line(description: Any) -> str:
    """The server's words, fit for a log and a database: short, printable, without a token."""
    if not isinstance(description, str):
        return ""
    text = "".join(char if char.isprintable() else " " for char in redact(description))
    return text.strip()[:LONGEST_DESCRIPTION]


# botapi.md §1.5: which descriptions are known to the letter, and which only in part.
EXACT = {
    "invalid token": exc.InvalidToken,
    "method not allowed": exc.MethodNotAllowed,
    "format error": exc.FormatError,
}
IN_PART = {
    "unknown method": exc.UnknownMethod,
    "permission denied": exc.PermissionDenied,
    "not found": exc.NotFound,
    "invalid chatid": exc.NotFound,
    "invalid file": exc.NotFound,
    "incorrect threadid": exc.NotFound,
}


def _refusal(method: Method[Any], status: int, description: str, retry_after: float | None) -> exc.CallError:
    text = description.lower()
    if text == "ratelimit":
        return exc.RateLimited(description, method=method, retry_after=retry_after)
    if text in EXACT:
        return EXACT[text](description, method=method)
    if status >= 500 or text.startswith("server error"):
        return exc.OutcomeUnknown(description or f"HTTP {status}", method=method, hint=_shorter(method))
    known = next((kind for part, kind in IN_PART.items() if part in text), exc.BadRequest)
    hint = _shorter(method) if known is exc.BadRequest else None
    return known(description or "the server refused without a reason", method=method, hint=hint)
