"""From the bot's client to the emulator without a network: the same requests, the same faults."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from concurrent.futures import Future
from typing import Any

import httpx

from vkteams_bot.emulator.http import EmulatorApp
from vkteams_bot.emulator.request import CUT_EXTENSION
from vkteams_bot.testing.hurried_loop import HurriedLoop

Message = MutableMapping[str, Any]


class InProcess(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """For any thread and loop; the emulator itself runs in `loop`, which must not be the caller's to block."""

    def __init__(self, app: EmulatorApp, loop: HurriedLoop) -> None:
        self._app = app
        self._loop = loop

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = _Exchange(request, await request.aread())
        if asyncio.get_running_loop() is self._loop:
            return await exchange.answer(self._app)
        return await asyncio.wrap_future(self._submit(exchange))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._submit(_Exchange(request, request.read())).result()

    def _submit(self, exchange: _Exchange) -> Future[httpx.Response]:
        if self._loop.is_closed():
            raise httpx.ConnectError("the chat of this test is over", request=exchange.request)
        return asyncio.run_coroutine_threadsafe(self._awaited(exchange), self._loop)

    async def _awaited(self, exchange: _Exchange) -> httpx.Response:
        with self._loop.called_from_outside(), self._loop.hurried():
            return await exchange.answer(self._app)


class _Exchange:
    """One request as ASGI."""

    def __init__(self, request: httpx.Request, body: bytes) -> None:
        self.request = request
        self._incoming: list[Message] = [{"type": "http.request", "body": body}]
        self._status: int | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._gone = asyncio.Event()

    async def answer(self, app: EmulatorApp) -> httpx.Response:
        """Raises httpx.ReadTimeout and httpx.ReadError."""
        request = self.request
        seconds = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(seconds):
                await app(self._scope(), self._receive, self._send)
        except TimeoutError:
            raise httpx.ReadTimeout(f"no answer within {seconds:g} s", request=request) from None
        if self._gone.is_set() or self._status is None:
            raise httpx.ReadError("the server closed the connection", request=request)
        return httpx.Response(self._status, headers=self._headers, content=b"".join(self._body), request=request)

    def _scope(self) -> Message:
        url = self.request.url
        return {
            "type": "http",
            "method": self.request.method,
            "scheme": url.scheme,
            "path": url.path,
            "query_string": url.query,
            "headers": [(name.lower(), value) for name, value in self.request.headers.raw],
            "extensions": {CUT_EXTENSION: {"abort": self._gone.set}},
        }

    async def _receive(self) -> Message:
        if self._incoming:
            return self._incoming.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message["headers"]
        else:
            self._body.append(message.get("body", b""))
