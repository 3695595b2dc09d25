"""Connections kept for reuse, and who may open one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import httpx

from vkteams_bot.api.http.connection import Connection, Origin

__all__ = ["Pool"]


class Pool:
    """At most `max_connections` slots; a connection holds one from `acquire` until it is closed.

    Freed slots go to waiters first come, first served; idle connections are reused last in, first out.
    """

    def __init__(
        self,
        dial: Callable[[Origin, float | None], Awaitable[Connection]],
        *,
        max_connections: int,
        max_idle_connections: int,
        idle_seconds: float,
    ) -> None:
        self._dial = dial
        self._max_idle = max_idle_connections
        self._idle_seconds = idle_seconds
        self._free_slots = max_connections
        self._open: set[Connection] = set()
        self._idle: OrderedDict[Connection, None] = OrderedDict()  # Of every origin, the longest idle first.
        self._idle_of: dict[Origin, dict[Connection, None]] = {}
        self._waiters: OrderedDict[asyncio.Future[Connection | None], Origin] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._none_open = asyncio.Event()

    async def acquire(self, origin: Origin, pool_seconds: float | None, connect_seconds: float | None) -> Connection:
        """A connection to `origin`, to be given back by `release` or `discard`."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise RuntimeError("an AsyncioTransport serves only the event loop of its first request")
            self._loop = loop
        if self._closed:
            raise httpx.ConnectError("the transport is closed")

        idle = self._idle_of.get(origin)
        while idle:
            connection = next(reversed(idle))
            self._unlist(connection)
            if loop.time() < connection.idle_until and _is_alive(connection):
                return connection
            self.discard(connection)

        if self._free_slots:
            self._free_slots -= 1
        elif self._idle:
            oldest = next(iter(self._idle))
            self._unlist(oldest)
            oldest.abort()
        else:
            handed_over = await self._wait(loop, origin, pool_seconds)
            if handed_over is not None:
                if _is_alive(handed_over):
                    return handed_over
                handed_over.abort()
        # The slot is ours now; the connection has to be made.
        try:
            connection = await self._dial(origin, connect_seconds)
        except BaseException:  # a cancelled request gives its slot back, too
            self._free_slot()
            raise
        self._open.add(connection)
        connection.on_lost = self._on_lost
        if self._closed:
            self.discard(connection)
            raise httpx.ConnectError("the transport is closed")
        return connection

    def release(self, connection: Connection) -> None:
        """Give back a connection; it is kept if it can carry another request."""
        if not connection.is_reusable():
            self.discard(connection)
        elif (next_in_line := self._next_waiter()) is None:
            self._keep(connection)
        elif next_in_line[1] == connection.origin:
            next_in_line[0].set_result(connection)
        else:
            connection.abort()
            next_in_line[0].set_result(None)

    def discard(self, connection: Connection) -> None:
        """Give back a connection that must not be used again."""
        connection.abort()
        self._free_slot()

    async def aclose(self) -> None:
        """Close every connection, also those in use, and wait until they are gone."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        if self._loop is not asyncio.get_running_loop():
            return  # Never used, or used in a loop that took its connections with it.
        while (next_in_line := self._next_waiter()) is not None:
            next_in_line[0].set_exception(httpx.ConnectError("the transport is closed"))
        for connection in list(self._open):
            connection.fail(httpx.ReadError("the transport was closed"))
        if self._open:
            self._none_open.clear()
            await self._none_open.wait()

    async def _wait(self, loop: asyncio.AbstractEventLoop, origin: Origin, seconds: float | None) -> Connection | None:
        """Wait for a slot; it comes with the connection that held it if that leads to `origin`."""
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiters[waiter] = origin
        timer = None if seconds is None else loop.call_later(seconds, _time_out, waiter, seconds)
        try:
            return await waiter
        except BaseException:
            if self._waiters.pop(waiter, None) is None and not waiter.cancelled() and waiter.exception() is None:
                # Cancelled after the slot was granted: it belongs to the next in line.
                handed_over = waiter.result()
                if handed_over is None:
                    self._free_slot()
                else:
                    self.release(handed_over)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _next_waiter(self) -> tuple[asyncio.Future[Connection | None], Origin] | None:
        while self._waiters:
            waiter, origin = self._waiters.popitem(last=False)
            if not waiter.done():
                return waiter, origin
        return None

    def _free_slot(self) -> None:
        next_in_line = self._next_waiter()
        if next_in_line is None:
            self._free_slots += 1
        else:
            next_in_line[0].set_result(None)

    def _keep(self, connection: Connection) -> None:
        assert self._loop is not None
        if self._max_idle <= 0:
            self.discard(connection)
            return
        if len(self._idle) >= self._max_idle:
            oldest = next(iter(self._idle))
            self._unlist(oldest)
            self.discard(oldest)
        connection.idle_until = self._loop.time() + self._idle_seconds
        self._idle[connection] = None
        self._idle_of.setdefault(connection.origin, {})[connection] = None
        if self._sweeper is None:
            self._sweeper = self._loop.call_at(connection.idle_until, self._sweep)

    def _unlist(self, connection: Connection) -> None:
        del self._idle[connection]
        of_origin = self._idle_of[connection.origin]
        del of_origin[connection]
        if not of_origin:
            del self._idle_of[connection.origin]

    def _sweep(self) -> None:
        assert self._loop is not None
        self._sweeper = None
        while self._idle:
            oldest = next(iter(self._idle))
            if oldest.idle_until > self._loop.time():
                self._sweeper = self._loop.call_at(oldest.idle_until, self._sweep)
                return
            self._unlist(oldest)
            self.discard(oldest)

    def _on_lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._unlist(connection)
            self._free_slot()
        if not self._open:
            self._none_open.set()


def _is_alive(connection: Connection) -> bool:
    # The server's goodbye may still wait in the kernel, if the loop was busy elsewhere.
    return not connection.is_closing() and not connection.has_unread_input()


def _time_out(waiter: asyncio.Future[Connection | None], seconds: float) -> None:
    if not waiter.done():
        waiter.set_exception(httpx.PoolTimeout(f"no connection became free in {seconds:g} s"))
