"""Telling of database calls that hang: a network that went silent gives no error for minutes, or never."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

SLOW_SECONDS = 10.0
REPEAT_SECONDS = 60.0
LOOK_SECONDS = 1.0
IDLE_LOOKS = 30


@dataclass(eq=False, slots=True)
class _Call:
    what: str
    logger: logging.Logger
    extra: Mapping[str, Any]
    connection: Any
    began: float
    told_at: float | None = None


def never() -> bool:
    """For ever is not too long."""
    return False


class SlowCalls:
    """Calls of this process that are under way, and one thread that looks at them.

    One that takes longer than `seconds` is told, again every `repeat_seconds`, and when it came back. While `give_up()`
    is true its connection is cut, so that it fails as in an outage: nothing else ends a call that hangs.
    """

    def __init__(
        self,
        seconds: float = SLOW_SECONDS,
        *,
        repeat_seconds: float = REPEAT_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        give_up: Callable[[], bool] = never,
    ) -> None:
        self.give_up = give_up
        self._seconds = seconds
        self._repeat_seconds = repeat_seconds
        self._look_seconds = look_seconds
        self.forget()

    def forget(self) -> None:
        """In a forked child: the calls and the thread stayed with the parent."""
        self._lock = threading.Lock()
        self._calls: set[_Call] = set()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watched(self, what: str, logger: logging.Logger, *, bot: str | None = None) -> Iterator[None]:
        """Inside, this thread calls the default database. `what` says for what, `bot` for which bot."""
        extra = {"condition": "database_slow"} | ({"bot": bot} if bot is not None else {})
        call = _Call(what, logger, extra, connections[DEFAULT_DB_ALIAS], time.monotonic())
        with self._lock:
            self._calls.add(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="slow-calls", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(call)
            if call.told_at is not None:
                logger.warning(
                    "the database call %s ended after %.0f s", what, time.monotonic() - call.began, extra=extra
                )

    def _watch(self) -> None:
        idle = 0
        while True:
            time.sleep(self._look_seconds)
            now = time.monotonic()
            with self._lock:
                idle = 0 if self._calls else idle + 1
                if idle >= IDLE_LOOKS:
                    self._thread = None
                    return
                slow = [call for call in self._calls if now - call.began >= self._seconds]
                fresh = [call for call in slow if call.told_at is None or now - call.told_at >= self._repeat_seconds]
                for call in fresh:
                    call.told_at = now
                # Under the lock: a call that has ended may have left its connection to the next one.
                cut = [call for call in slow if _cut(call.connection)] if slow and self.give_up() else []
            for call in fresh:
                self._tell(call, "the database call %s takes longer than %.0f s", now)
            for call in cut:
                self._tell(call, "the database call %s is given up after %.0f s, to stop", now)

    @staticmethod
    def _tell(call: _Call, message: str, now: float) -> None:
        call.logger.warning(message, call.what, now - call.began, extra=call.extra)


def _cut(connection: Any) -> bool:
    """End what its thread waits for, as if the server had closed the connection; False: there is none to be cut."""
    try:
        descriptor = os.dup(connection.connection.fileno())
    except (AttributeError, connection.Database.Error, OSError):  # SQLite; not open yet, or not any more
        return False
    with contextlib.suppress(OSError), socket.socket(fileno=descriptor) as wire:
        wire.shutdown(socket.SHUT_RDWR)
        return True
    return False


slow_calls = SlowCalls()
os.register_at_fork(after_in_child=slow_calls.forget)
