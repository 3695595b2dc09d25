"""Sending claimed rows: one try each, whose outcome is told, whatever happens. And a loop to send in, for threads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from vkteams_bot.api import Bot, Method
from vkteams_bot.api.outcomes import Outcome, outcome_of
from vkteams_bot.stores.outbox import ClaimedCall


@dataclass(frozen=True, slots=True)
class InFlight:
    """A claimed row on its way. `alone`: no other row of its broadcast may be, as it brings the file."""

    call: ClaimedCall
    method: Method[Any]
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """What came back for a row: the method's result or what was raised, and what that means."""

    flight: InFlight
    outcome: Outcome
    result: Any = None
    error: BaseException | None = None


async def send(bot: Bot, flight: InFlight, completed: Callable[[Completed], None]) -> Completed:
    """Try once. `completed` is told before this returns, also when it is cancelled, and then raises CancelledError.

    The turn of the rate limit was taken before; nothing is repeated here, and the chat log is written with the outcome.
    """
    method = flight.method
    try:
        result = await bot.execute(method, charged=False, retries=0, request_id=flight.call.id.hex, log=False)
    except BaseException as error:
        answer = Completed(flight, outcome_of(method, error=error), error=error)
        completed(answer)
        if not isinstance(error, Exception):
            raise
    else:
        answer = Completed(flight, outcome_of(method, result), result)
        completed(answer)
    return answer


class Sender:
    """One event loop per process, in a thread of its own: sends side by side for all threads that deliver."""

    def __init__(self, close_seconds: float = 5.0) -> None:
        self._close_seconds = close_seconds
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: dict[asyncio.Task[Completed], Bot] = {}
        self._bots: set[Bot] = set()

    def send(self, bot: Bot, flights: Iterable[InFlight], completed: Callable[[Completed], None]) -> None:
        """From any thread; returns at once. `completed` is called in the loop's thread."""
        self._running_loop().call_soon_threadsafe(self._start, bot, list(flights), completed)

    def cut(self, bot: Bot) -> None:
        """End what is on its way for this bot; each `completed` hears that its outcome is unknown. Returns at once."""
        with self._lock:
            loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(self._cancel, bot)

    def _cancel(self, bot: Bot) -> None:
        for task in [task for task, sending in self._tasks.items() if sending is bot]:
            task.cancel()

    def close(self) -> None:
        """End what is on its way and close all connections, within seconds. The next `send` starts anew."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is not None and thread is not None:
            with contextlib.suppress(TimeoutError):  # a connection that cannot be closed ends with the process
                asyncio.run_coroutine_threadsafe(self._end(), loop).result(self._close_seconds)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(self._close_seconds)
            if not thread.is_alive():
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
            task = asyncio.create_task(send(bot, flight, completed), name="delayed call")
            self._tasks[task] = bot
            task.add_done_callback(self._tasks.pop)

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
