"""One HTTP/1.1 connection: what comes is parsed, back-pressure goes both ways, one deadline is watched."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import httptools
import httpx

from vkteams_bot.api.http.parser import MAX_HEAD_BYTES, Answer

__all__ = ["Connection", "Origin"]

READ_BUFFER_BYTES = 256 * 1024


class Origin(NamedTuple):
    """Where connections lead; requests of one origin share its idle connections."""

    scheme: str
    host: str
    port: int
    tunnelled: bool = False


class Connection(Answer, asyncio.Protocol):
    """Carries one request at a time: `begin`, write to `transport`, `wait` until `answered` or `complete`, `take`.

    Whoever waits looks at `error` afterwards. A connection is fit for a next request if `is_reusable()`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, origin: Origin) -> None:
        super().__init__()
        self.origin = origin
        self.transport: asyncio.Transport | None = None
        self.on_lost: Callable[[Connection], None] | None = None
        self.idle_until = 0.0
        self.lost = False
        self.write_paused = False
        self.sending = False
        self.error: httpx.TransportError | None = None
        self._loop = loop
        self._reading_paused = False
        self._poll: Callable[[int], list[Any]] | None = None

        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._limit_seconds: float | None = None
        self._timeout_error: type[httpx.TimeoutException] = httpx.ReadTimeout

    # The request's side.

    def begin(self, *, head_only: bool) -> None:
        """Expect an answer; `head_only` for methods whose answer has no body (HEAD, CONNECT)."""
        self.expect(head_only=head_only)
        self.sending = True

    def write(self, data: bytes) -> None:
        """Send `data`; check `write_paused` before the next piece."""
        assert self.transport is not None
        self.transport.write(data)

    async def wait(self, seconds: float | None, timeout_error: type[httpx.TimeoutException]) -> None:
        """Return when something changed; raise `timeout_error` when nothing did for `seconds`."""
        self._waiter = self._loop.create_future()
        self._limit_seconds = seconds
        if seconds is not None:
            self._timeout_error = timeout_error
            self._deadline = deadline = self._loop.time() + seconds
            # The timer outlives the wait and looks at the deadline when it fires: a busy connection arms one timer
            # per timeout, not one per request.
            if self._timer is None or self._timer.when() > deadline:
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = self._loop.call_at(deadline, self._check_deadline)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def take(self) -> bytes:
        """The part of the body that has come since the last call."""
        data = self.take_body()
        if self._reading_paused:
            self._reading_paused = False
            if self.transport is not None and not self.is_closing():
                self.transport.resume_reading()
        return data

    def is_closing(self) -> bool:
        return self.lost or self.transport is None or self.transport.is_closing()

    def is_reusable(self) -> bool:
        """True if the request was sent and answered completely, and the server keeps the connection."""
        return (
            self.complete and self.keep_alive and not self.sending and not self.buffered_bytes and not self.is_closing()
        )

    def is_refusing(self) -> bool:
        """True if there is no point in sending the rest of a request."""
        return self.error is not None or self.is_closing() or (self.answered and self.status >= 300)

    def has_unread_input(self) -> bool:
        """True if bytes or the end of the stream wait in the kernel, not yet seen by the event loop."""
        return self._poll is not None and bool(self._poll(0))

    def abort(self) -> None:
        """Close at once, dropping what is buffered."""
        if self.transport is not None:
            self.transport.abort()

    def fail(self, error: httpx.TransportError) -> None:
        """End the request that is under way with `error`, and close."""
        if not self.complete and self.error is None:
            self.error = error
        self.abort()
        self._wake()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it.
        socket = transport.get_extra_info("socket")
        if socket is not None and hasattr(select, "poll"):
            poll = select.poll()
            poll.register(socket.fileno(), select.POLLIN)
            self._poll = poll.poll

    def data_received(self, data: bytes) -> None:
        if self.complete:
            self.keep_alive = False
            self.abort()
            return
        try:
            self.feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self.keep_alive = False
            if not self.complete:
                error = httpx.RemoteProtocolError(f"the server does not speak HTTP/1.1: {exc}")
                error.__cause__ = exc
                self.fail(error)
                return
        if not self.complete:
            if self.is_oversized():
                self.fail(httpx.RemoteProtocolError(f"the head of the answer is larger than {MAX_HEAD_BYTES} bytes"))
                return
            if self.buffered_bytes > READ_BUFFER_BYTES and not self._reading_paused and not self.is_closing():
                assert self.transport is not None
                self._reading_paused = True
                self.transport.pause_reading()
            if self._limit_seconds is not None and self._timeout_error is httpx.ReadTimeout:
                self._deadline = self._loop.time() + self._limit_seconds
        if self.answered:
            self._wake()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        self._poll = None
        self.drop_parser()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.on_lost is not None:
            self.on_lost(self)

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        self._wake()

    def _end(self, exc: Exception | None) -> None:
        self.lost = True
        if self.complete or self.error is not None:
            self._wake()
            return
        if exc is not None:
            kind = httpx.WriteError if self.sending else httpx.ReadError
            self.error = kind(str(exc) or repr(exc))
            self.error.__cause__ = exc
        elif self.answered and self.ends_with_connection():
            self.complete = True
        else:
            when = "in the middle of its answer" if self.answered else "without an answer"
            self.error = httpx.RemoteProtocolError(f"the server closed the connection {when}")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done() or self._limit_seconds is None:
            return
        if self._deadline > self._loop.time():
            self._timer = self._loop.call_at(self._deadline, self._check_deadline)
        else:
            self._waiter.set_exception(self._timeout_error(f"nothing moved for {self._limit_seconds:g} s"))
