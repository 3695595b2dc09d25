"""Request: one HTTP request over ASGI, and how it is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic_core import to_json

from vkteams_bot.emulator.multipart import Upload, parse_multipart
from vkteams_bot.emulator.spelling import Params, json_pairs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
T = TypeVar("T")

LONGEST_BODY = 50 * 1024 * 1024
LONGEST_QUERY = 60 * 1024  # beyond 64 KB httptools itself says 400
LONGEST_DRAINED = 1024 * 1024 * 1024
CUT_EXTENSION = "vkteams_bot.cut"
JSON_TYPE = (b"content-type", b"application/json;charset=utf-8")


class TooLong(Exception):
    """Body or query beyond the limit; `status` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


def encode(value: Any) -> bytes:
    """JSON; also of text that is not Unicode proper, as raw events may hold."""
    try:
        return to_json(value)
    except ValueError:
        return json.dumps(value).encode("ascii")


class Request:
    __slots__ = ("_receive", "_send", "method", "path", "query", "scope")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        self.query: bytes = scope["query_string"]
        self._receive = receive
        self._send = send

    @property
    def origin(self) -> str:
        """The address by which the client reached this server."""
        host = self.header(b"host") or "127.0.0.1"
        return f"{self.scope.get('scheme', 'http')}://{host}{self.scope.get('root_path', '')}"

    def header(self, name: bytes) -> str:
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value.decode("latin-1"))
        return ""

    async def body(self) -> bytes:
        """Raises TooLong, after reading on so that the client can hear it, and ClientGone."""
        chunks: list[bytes] = []
        length = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            length += len(chunk)
            if length <= LONGEST_BODY:
                chunks.append(chunk)
            else:
                chunks.clear()
            if length > LONGEST_DRAINED or (length > LONGEST_BODY and not message.get("more_body")):
                raise TooLong(413)
            if not message.get("more_body"):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def params(self, *, json_bodies: bool = False) -> tuple[Params, list[Upload]]:
        """Query and body merged, and uploaded files. Raises TooLong, ClientGone, MalformedBody."""
        if len(self.query) > LONGEST_QUERY:
            raise TooLong(414)
        params: Params = {}
        uploads: list[Upload] = []
        body = await self.body() if self.method == "POST" else b""
        pairs = parse_qsl(self.query.decode("utf-8", "replace"), keep_blank_values=True) if self.query else []
        if body:
            kind = self.header(b"content-type")
            if kind.startswith("application/x-www-form-urlencoded"):
                pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            elif kind.startswith("multipart/form-data"):
                fields, uploads = parse_multipart(kind, body)
                pairs += fields
            elif json_bodies and kind.startswith("application/json"):
                pairs += json_pairs(body)
        for name, value in pairs:
            params.setdefault(name, []).append(value)
        return params, uploads

    async def answer(self, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
        length = (b"content-length", b"%d" % len(body))
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await self._send({"type": "http.response.body", "body": body})

    async def json(self, answer: Any, status: int = 200) -> None:
        await self.answer(status, encode(answer), JSON_TYPE)

    async def text(self, status: int, text: str) -> None:
        await self.answer(status, text.encode(), (b"content-type", b"text/plain;charset=utf-8"))

    async def gone(self) -> None:
        """Wait until the client closes the connection. Only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def unless_gone(self, work: Awaitable[T]) -> T:
        """The result of `work`, which is cancelled when the client goes away. Raises ClientGone."""
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self.gone())
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientGone
            return task.result()
        finally:
            task.cancel()
            gone.cancel()

    async def cut(self) -> None:
        """Close the connection without an answer; under a server without our extension, with half of one."""
        extension = self.scope.get("extensions", {}).get(CUT_EXTENSION)
        if extension is None:
            headers = [(b"content-length", b"1"), (b"connection", b"close")]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            return
        extension["abort"]()
        await self.gone()
