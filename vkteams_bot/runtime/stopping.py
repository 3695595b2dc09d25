"""Stopping is an event: the first SIGTERM or Ctrl+C asks, the second forces."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

logger = logging.getLogger("vkteams_bot.runtime")

FORCED_EXIT = 130


def end_process(code: int) -> NoReturn:
    """End now, without waiting for threads."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` on the first signal and end the process on the second. Restores the handlers that were there."""
    loop = asyncio.get_running_loop()

    def ask(number: int) -> None:
        if stop.is_set():
            logger.warning("stopped at once by a second signal")
            end_process(FORCED_EXIT)
        logger.info("stopping on %s; a second signal stops at once", signal.Signals(number).name)
        stop.set()

    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in previous:
        loop.add_signal_handler(number, ask, number)
    try:
        yield
    finally:
        for number, handler in previous.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
