"""SIGTERM and Ctrl+C: the first asks, the second forces."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

logger = logging.getLogger("vkteams_bot.runtime")

SIGNALS = (signal.SIGTERM, signal.SIGINT)
FORCED_EXIT = 130


def end_process(code: int) -> NoReturn:
    """End now, without waiting for threads."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def interrupt() -> NoReturn:
    """Raise KeyboardInterrupt in the main thread, wherever it is."""
    raise KeyboardInterrupt


def end_at_once() -> NoReturn:
    """End the process: an event loop would first wait for what hangs."""
    end_process(FORCED_EXIT)


@contextlib.contextmanager
def stop_on_signals(
    stop: Callable[[], object], *, force: Callable[[], object] | None = None
) -> Iterator[list[signal.Signals]]:
    """The first SIGTERM or SIGINT calls `stop`, each further one `force`. Gives the signals that came.

    Inside an event loop both are called in the loop, which is logged, and `force` is by default `end_at_once`.
    Elsewhere both are called in the main thread, wherever it is, and it is `interrupt`. The handlers that were there
    are put back. Only the main thread may handle signals: in another one nothing is handled.
    """
    received: list[signal.Signals] = []
    loop = _running_loop()
    further = force or (interrupt if loop is None else end_at_once)

    def receive(number: int, _frame: FrameType | None = None) -> None:
        received.append(signal.Signals(number))
        (stop if len(received) == 1 else further)()

    def receive_in_loop(number: int) -> None:
        # Outside a loop the signal may come in the middle of a line of the log, and the log would refuse another one.
        if received:
            logger.warning("stopped at once by a second signal")
        else:
            logger.info("stopping on %s; a second signal stops at once", signal.Signals(number).name)
        receive(number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        if loop is None:
            signal.signal(number, receive)
        else:
            loop.add_signal_handler(number, receive_in_loop, number)
    try:
        yield received
    finally:
        for number, handler in previous.items():
            if loop is not None:
                loop.remove_signal_handler(number)
            # None: it was not set by Python, and nothing can put it back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
