"""A long CSV file, sent while it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

LINES_AT_ONCE = 2_000


def csv_response(
    request: HttpRequest, lines: Iterable[str], name: str, *, lines_at_once: int = LINES_AT_ONCE
) -> StreamingHttpResponse:
    """A response that the browser saves as a file of this name. `lines` have their ends."""
    pieces = _pieces(iter(lines), lines_at_once)
    return StreamingHttpResponse(
        _asynchronously(pieces) if isinstance(request, ASGIRequest) else pieces,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": content_disposition_header(True, name) or "attachment"},
    )


def _pieces(lines: Iterator[str], lines_at_once: int) -> Iterator[str]:
    """The mark that spreadsheets look for, then many lines at once."""
    yield "\ufeff"
    while piece := "".join(islice(lines, lines_at_once)):
        yield piece


async def _asynchronously(pieces: Iterator[str]) -> AsyncIterator[str]:
    """An ASGI server would read all of a plain iterator before it sends any."""
    while piece := await sync_to_async(_next)(pieces):
        yield piece


def _next(pieces: Iterator[str]) -> str:
    return next(pieces, "")
