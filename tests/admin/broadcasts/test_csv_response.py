"""Results leave while they are read, under WSGI and under ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from django.test import AsyncRequestFactory, RequestFactory

from vkteams_bot.admin.broadcasts.csv_response import csv_response


class Lines:
    """Counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[str]:
        for number in range(6):
            self.taken += 1
            yield f"{number}\r\n"


EXPECTED = ["\ufeff", "0\r\n1\r\n", "2\r\n3\r\n", "4\r\n5\r\n"]


def test_under_wsgi() -> None:
    lines = Lines()
    response: Any = csv_response(RequestFactory().get("/"), lines, "Итоги.csv", lines_at_once=2)
    pieces = iter(response)
    assert [next(pieces).decode() for _ in range(2)] == EXPECTED[:2]
    assert lines.taken == 2
    assert [piece.decode() for piece in pieces] == EXPECTED[2:]
    assert "utf-8''%D0%98" in response.headers["Content-Disposition"]


def test_under_asgi() -> None:
    lines = Lines()

    async def scene() -> None:
        response: Any = csv_response(AsyncRequestFactory().get("/"), lines, "results.csv", lines_at_once=2)
        assert response.is_async
        pieces = aiter(response)
        assert [(await anext(pieces)).decode() for _ in range(2)] == EXPECTED[:2]
        assert lines.taken == 2
        assert [piece.decode() async for piece in pieces] == EXPECTED[2:]

    asyncio.run(scene())
