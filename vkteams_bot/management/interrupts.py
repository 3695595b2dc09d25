"""Ctrl+C of commands that finish what they are at."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopped_by_signal(stop: Callable[[], None]) -> Iterator[list[int]]:
    """The first SIGINT or SIGTERM calls `stop`, the second raises KeyboardInterrupt. Gives the signals that came."""
    received: list[int] = []

    def take(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        stop()

    previous = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
