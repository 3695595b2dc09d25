"""The event loop of a bot under test: waiting costs no time."""

from __future__ import annotations

import asyncio
import contextlib
import math
import selectors
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple, Unpack

from vkteams_bot.api.methods import Method
from vkteams_bot.api.retry import RetryPolicy
from vkteams_bot.exceptions import CallError
from vkteams_bot.limits import LocalLimiter, RatePolicy

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
OWN_FILES = 1  # the loop's own pipe


class _Selector(selectors.DefaultSelector):
    """Where a loop waits: asks `skip(seconds)` to make the wait needless."""

    skip: Callable[[float], bool]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout is None:
            return ready or super().select(timeout)
        if timeout <= 0 or self.skip(timeout):
            return ready
        return super().select(timeout)


class HurriedLoop(asyncio.SelectorEventLoop):
    """While it is hurried and waits for nothing but a timer, its clock jumps to that timer.

    Work in threads and on sockets takes its real time.
    """

    def __init__(self) -> None:
        self._skipped = 0.0
        self._outside = 0
        self._hurries = 0
        self._thread = 0
        self._files = _Selector()
        self._files.skip = self._skip
        super().__init__(self._files)

    def run_forever(self) -> None:
        self._thread = threading.get_ident()
        super().run_forever()

    def time(self) -> float:
        return time.monotonic() + self._skipped

    @contextlib.contextmanager
    def hurried(self) -> Iterator[None]:
        """Somebody waits."""
        self._hurries += 1
        try:
            yield
        finally:
            self._hurries -= 1

    @contextlib.contextmanager
    def called_from_outside(self) -> Iterator[None]:
        """A thread that the loop waits for waits for the loop itself."""
        self._outside -= 1
        try:
            yield
        finally:
            self._outside += 1

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        self._skipped += seconds

    def wait(self, seconds: float) -> float:
        """What is left to wait. Inside the loop all of it, since timers jump; elsewhere nothing: the clock moves."""
        if self._thread == threading.get_ident():
            return seconds
        self.advance(seconds)
        return 0.0

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._outside += 1
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, _: asyncio.Future[Any]) -> None:
        self._outside -= 1

    def _skip(self, seconds: float) -> bool:
        if not self._hurries or self._outside > 0 or len(self._files.get_map()) > OWN_FILES:
            return False
        self.advance(seconds)
        return True


class HurriedLimiter(LocalLimiter):
    """Counts by the loop's clock."""

    def __init__(self, policy: RatePolicy, loop: HurriedLoop) -> None:
        super().__init__(policy, clock=loop.time)
        self._loop = loop

    def reserve(self, chat_id: str | None, longest_pause: float = math.inf) -> float:
        return self._loop.wait(super().reserve(chat_id, longest_pause))


@dataclass(frozen=True, slots=True, kw_only=True)
class HurriedRetries(RetryPolicy):
    """Repeats what the bot would repeat, as often."""

    loop: HurriedLoop

    def pause(self, error: CallError, method: Method[Any], attempt: int) -> float | None:
        seconds = RetryPolicy.pause(self, error, method, attempt)
        return None if seconds is None else self.loop.wait(seconds)
