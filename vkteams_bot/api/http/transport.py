"""The httpx transport: a request goes over one connection of the pool, its answer comes back as a stream."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator

import httpx

from vkteams_bot.api.http.connection import Connection
from vkteams_bot.api.http.pool import Pool
from vkteams_bot.api.http.proxy import Dialer

__all__ = ["AsyncioTransport"]

PIECE_BYTES = 64 * 1024


class AsyncioTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over asyncio for one event loop and hundreds of requests in flight.

    ConnectError, ConnectTimeout, PoolTimeout, ProxyError and UnsupportedProtocol: no byte of the request was sent.
    Any other transport error: some may have been. Beside httpx's timeouts a streamed request may have `answer`: how
    long after its last byte the head of the answer must be there. The ALPN list of `ssl_context` is set to http/1.1.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | httpx.URL | httpx.Proxy | None = None,
        max_connections: int = 200,
        max_idle_connections: int = 100,
        idle_seconds: float = 4.0,
    ) -> None:
        self._dialer = Dialer(ssl_context, proxy)
        self._pool = Pool(
            self._dialer.dial,
            max_connections=max_connections,
            max_idle_connections=max_idle_connections,
            idle_seconds=idle_seconds,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and return its answer; a body that is not complete yet is streamed."""
        timeouts: dict[str, float | None] = request.extensions.get("timeout") or {}
        try:
            origin, target, proxy_headers = self._dialer.route(request.url)
            outgoing = _Outgoing(request, target, proxy_headers)
            connection = await self._pool.acquire(origin, timeouts.get("pool"), timeouts.get("connect"))
            read_seconds = timeouts.get("read")
            try:
                connection.begin(head_only=request.method == "HEAD")
                connection.write(outgoing.first_bytes)
                if outgoing.stream is not None:
                    await outgoing.send_stream(connection, timeouts.get("write"))
                    await _answered_in(timeouts.get("answer"), connection, read_seconds)
                else:
                    connection.sending = False
                    await _answered(connection, read_seconds)
                if outgoing.asks_to_close:
                    connection.keep_alive = False
            except BaseException:  # cancelled in the middle, the connection is in no state to carry another request
                self._pool.discard(connection)
                raise
        except httpx.RequestError as exc:
            exc.request = request
            raise
        status, headers = connection.status, connection.headers
        extensions = {"http_version": connection.http_version, "reason_phrase": connection.reason}
        stream: httpx.AsyncByteStream
        if connection.complete:
            stream = httpx.ByteStream(connection.take())
            self._pool.release(connection)
        else:
            stream = _Body(self._pool, connection, request, read_seconds)
        return httpx.Response(status, headers=headers, stream=stream, request=request, extensions=extensions)

    async def aclose(self) -> None:
        """Close every connection; requests under way fail, later ones raise ConnectError."""
        await self._pool.aclose()


class _Outgoing:
    """A request made ready: `first_bytes`, and the `stream` of the body unless they contain it."""

    __slots__ = ("_chunked", "_length", "asks_to_close", "first_bytes", "stream")

    def __init__(self, request: httpx.Request, target: bytes, proxy_headers: list[tuple[bytes, bytes]]) -> None:
        self._length: int | None = None
        self._chunked = False
        self.asks_to_close = False
        try:
            lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target)]
            for name, value in request.headers.raw + proxy_headers:
                lines.append(b"%b: %b" % (name, value))
                match name.lower():
                    case b"content-length":
                        self._length = int(value)
                    case b"transfer-encoding":
                        self._chunked = value.lower().endswith(b"chunked")
                    case b"connection":
                        self.asks_to_close = b"close" in value.lower()
        except ValueError as exc:
            raise httpx.LocalProtocolError(f"not a valid request head: {exc}") from exc

        body = b""
        self.stream: httpx.AsyncByteStream | None = None
        if isinstance(request.stream, httpx.ByteStream):
            body = b"".join(request.stream)
        if not isinstance(request.stream, httpx.ByteStream) or len(body) > PIECE_BYTES:
            assert isinstance(request.stream, httpx.AsyncByteStream)
            self.stream = request.stream

        if self._chunked and self._length is not None:
            raise httpx.LocalProtocolError("Content-Length and Transfer-Encoding exclude each other")
        if self._length is None and not self._chunked:
            if isinstance(request.stream, httpx.ByteStream):
                self._length = len(body)
                if body:
                    lines.append(b"Content-Length: %d" % len(body))
            else:
                self._chunked = True
                lines.append(b"Transfer-Encoding: chunked")
        elif self._length is not None and self.stream is None and self._length != len(body):
            raise httpx.LocalProtocolError(f"Content-Length is {self._length}, the body has {len(body)} bytes")

        head = b"\r\n".join(lines)
        breaks = len(lines) - 1
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
            raise httpx.LocalProtocolError("the request's head contains a line break or a zero byte")
        if self.stream is not None:
            self.first_bytes = head + b"\r\n\r\n"
        elif self._chunked:
            self.first_bytes = b"%b\r\n\r\n%b0\r\n\r\n" % (head, _as_chunk(body) if body else b"")
        else:
            self.first_bytes = b"%b\r\n\r\n%b" % (head, body)

    async def send_stream(self, connection: Connection, seconds: float | None) -> None:
        """Send the stream piece by piece, no faster than the server reads it.

        Stops early, leaving `connection.sending` set, if the server refused the request or is gone.
        """
        assert self.stream is not None
        sent = 0
        async for part in self.stream:
            for piece in _pieces(part):
                sent += len(piece)
                if self._length is not None and sent > self._length:
                    raise httpx.LocalProtocolError(f"the body has more than its Content-Length of {self._length} bytes")
                if not await _send(connection, _as_chunk(piece) if self._chunked else piece, seconds):
                    return
        if self._length is not None and sent < self._length:
            raise httpx.LocalProtocolError(f"the body has {sent} bytes, Content-Length is {self._length}")
        if not self._chunked or await _send(connection, b"0\r\n\r\n", seconds):
            connection.sending = False


class _Body(httpx.AsyncByteStream):
    """The body of an answer, read as it comes; closing it early closes the connection."""

    def __init__(self, pool: Pool, connection: Connection, request: httpx.Request, seconds: float | None) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._request = request
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (connection := self._connection) is not None:
                data = connection.take()
                if connection.complete:
                    self._give_back()
                elif not data:
                    if connection.error is not None:
                        raise connection.error
                    await connection.wait(self._seconds, httpx.ReadTimeout)
                if data:
                    yield data
        except httpx.RequestError as exc:
            exc.request = self._request
            raise
        finally:
            self._give_back()

    async def aclose(self) -> None:
        self._give_back()

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)


async def _answered(connection: Connection, read_seconds: float | None) -> None:
    while not connection.answered:
        if connection.error is not None:
            raise connection.error
        await connection.wait(read_seconds, httpx.ReadTimeout)


async def _answered_in(seconds: float | None, connection: Connection, read_seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await _answered(connection, read_seconds)
    except TimeoutError:
        raise httpx.ReadTimeout(f"the answer did not begin in {seconds} s") from None


async def _send(connection: Connection, data: bytes, seconds: float | None) -> bool:
    for _ in range(3):
        if not connection.has_unread_input():
            break
        # An answer has arrived. A write to a server that closed after it would make asyncio drop the answer unread,
        # so the loop reads first; it takes two turns.
        await asyncio.sleep(0)
    while not connection.is_refusing():
        if data:
            connection.write(data)
            data = b""
        if not connection.write_paused:
            return True
        await connection.wait(seconds, httpx.WriteTimeout)
    return False


def _pieces(part: bytes) -> Iterator[bytes]:
    if len(part) <= PIECE_BYTES:
        if part:
            yield part
        return
    for start in range(0, len(part), PIECE_BYTES):
        yield part[start : start + PIECE_BYTES]


def _as_chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
