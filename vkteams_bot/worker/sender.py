"""One event loop per process, in a thread of its own, that sends for all tasks of a worker."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from vkteams_bot.api import Bot, Method
from vkteams_bot.stores.claims import Claim


@dataclass(frozen=True, slots=True)
class InFlight:
    """A claimed row on its way. `alone`: no other row of its broadcast may be, as it brings the file."""

    claim: Claim
    method: Method[Any]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """What came back for a flight: the method's result, or what was raised."""

    flight: InFlight
    result: Any = None
    error: BaseException | None = None


class Sender:
    """Sends flights side by side, and tells of each in the loop's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._bots: set[Bot] = set()

    def send(self, bot: Bot, flights: Iterable[InFlight], completed: Callable[[Completed], None]) -> None:
        """From any thread; returns at once."""
        self._running_loop().call_soon_threadsafe(self._start, bot, list(flights), completed)

    def close(self) -> None:
        """End what is on its way and close all connections. The next `send` starts anew."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def forget(self) -> None:
        """In a forked child: threads and loops stayed with the parent."""
        self.__init__()  # type: ignore[misc]

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="vkteams-sender", daemon=True)
                self._thread.start()
            return self._loop

    def _start(self, bot: Bot, flights: list[InFlight], completed: Callable[[Completed], None]) -> None:
        self._bots.add(bot)
        for flight in flights:
            task = asyncio.create_task(self._fly(bot, flight, completed), name="delayed call")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _fly(self, bot: Bot, flight: InFlight, completed: Callable[[Completed], None]) -> None:
        try:
            result = await bot.execute(
                flight.method, charged=False, retries=0, request_id=flight.claim.id.hex, log=False
            )
        except BaseException as error:
            completed(Completed(flight, error=error))
            if not isinstance(error, Exception):
                raise
        else:
            completed(Completed(flight, result))

    async def _end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for bot in self._bots:
            await bot.aclose()
        self._bots.clear()


sender = Sender()
os.register_at_fork(after_in_child=sender.forget)
