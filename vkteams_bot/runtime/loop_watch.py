"""A watch over the event loop, from a thread: code that blocks it is named, and after a long time the process ends."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Protocol, Self

import vkteams_bot
from vkteams_bot.runtime.handler import Running
from vkteams_bot.signal_handlers import end_process
from vkteams_bot.stores.conditions import Conditions

logger = logging.getLogger("vkteams_bot.runtime")

LONGEST_STACK = 30
LEAVE_SECONDS = 5.0
_OURS = (os.path.dirname(vkteams_bot.__file__) + os.sep, os.path.dirname(asyncio.__file__) + os.sep)


class Watched(Protocol):
    """A bot whose handlers run in the loop."""

    @property
    def conditions(self) -> Conditions: ...

    def running_in(self, task: asyncio.Task[object] | None) -> Running | None:
        """The handler that this task runs."""

    def leave(self, blocking: Running | None, reason: str) -> None:
        """Give the lease back, and give up the update whose handler blocks the loop. In a thread; may fail or hang."""


class LoopWatch:
    """While it is entered, in the loop's thread. `end_seconds`: the process ends when the loop stood still so long.

    Time that the process itself stood still (a paused machine) does not count.
    """

    def __init__(
        self,
        *,
        end_seconds: float,
        tell_seconds: float = 5.0,
        tick_seconds: float = 0.5,
        end: Callable[[int], object] = end_process,
    ) -> None:
        self._end_seconds = end_seconds
        self._tell_seconds = tell_seconds
        self._tick_seconds = tick_seconds
        self._end = end
        self._watched: list[Watched] = []
        self._stopped = threading.Event()
        self._beaten = True
        self._loop_thread = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="loop watch", daemon=True)

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._beat()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._timer.cancel()

    def add(self, watched: Watched) -> None:
        """This bot runs in the loop, until `remove`."""
        self._watched.append(watched)

    def remove(self, watched: Watched) -> None:
        self._watched.remove(watched)

    def _beat(self) -> None:
        self._beaten = True
        self._timer = self._loop.call_later(self._tick_seconds, self._beat)

    def _watch(self) -> None:
        blocked = 0.0
        tell_at = self._tell_seconds
        while not self._stopped.wait(self._tick_seconds):
            if self._beaten:
                self._beaten = False
                if blocked >= self._tell_seconds:
                    logger.warning("the event loop runs again, after %.0f s", blocked)
                    for watched in list(self._watched):
                        watched.conditions.end("loop_blocked")
                blocked, tell_at = 0.0, self._tell_seconds
                continue
            blocked += self._tick_seconds
            if blocked >= self._end_seconds:
                self._give_up(blocked)
                return
            if blocked >= tell_at:
                tell_at *= 2
                self._tell(blocked)

    def _tell(self, blocked: float) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        _, running = self._culprit()
        name = running.name if running is not None else _place(frame)
        logger.warning(
            "the event loop has been blocked for %.0f s in %s; code that waits belongs into a `def` handler, "
            "or behind `await`\n%s",
            blocked,
            name,
            "".join(traceback.format_stack(frame)[-LONGEST_STACK:]),
            extra={"condition": "loop_blocked"},
        )
        for watched in list(self._watched):
            watched.conditions.begin("loop_blocked", handler=name)

    def _culprit(self) -> tuple[Watched | None, Running | None]:
        task = asyncio.current_task(self._loop)
        for watched in list(self._watched):
            running = watched.running_in(task)
            if running is not None:
                return watched, running
        return None, None

    def _give_up(self, blocked: float) -> None:
        """End the process so that nobody is blamed who is innocent: the leases are given back in order."""
        culprit, running = self._culprit()
        name = running.name if running is not None else _place(sys._current_frames().get(self._loop_thread))
        reason = f"{name} blocked the event loop for {blocked:.0f} s (BLOCK_TIMEOUT)"
        logger.critical("%s: the process ends", reason, extra={"condition": "loop_blocked"})
        leaving = [
            threading.Thread(target=watched.leave, args=[running if watched is culprit else None, reason], daemon=True)
            for watched in list(self._watched)
        ]
        for thread in leaving:
            thread.start()
        for thread in leaving:
            thread.join(LEAVE_SECONDS)
        self._end(1)


def _place(frame: FrameType | None) -> str:
    """The code that the loop, or this package, called and that has not come back, as `name (file:line)`."""
    place: FrameType | None = None
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_OURS):
            place = frame
        elif place is not None:
            break
        frame = frame.f_back
    if place is None:
        return "code of this package"
    return f"{place.f_code.co_name} ({place.f_code.co_filename}:{place.f_lineno})"
