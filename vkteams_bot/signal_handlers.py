"""SIGTERM and Ctrl+C: the first asks, the second forces. What hangs does not keep a process that is to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from types import FrameType
from typing import NoReturn, Self

logger = logging.getLogger("vkteams_bot.runtime")

SIGNALS = (signal.SIGTERM, signal.SIGINT)
FORCED_EXIT = 130
FAREWELL_SECONDS = 2.0


def end_process(code: int, farewell: Callable[[], object] = lambda: None) -> NoReturn:
    """End now, without waiting for threads.

    `farewell` writes a last line of the log. This and the flushing of what is buffered may hang: they have a thread of
    their own, and FAREWELL_SECONDS.
    """

    def write() -> None:
        farewell()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()

    writing = threading.Thread(target=write, name="farewell", daemon=True)
    try:
        writing.start()
        writing.join(FAREWELL_SECONDS)
    finally:
        os._exit(code)


def interrupt() -> NoReturn:
    """Raise KeyboardInterrupt in the main thread, wherever it is."""
    raise KeyboardInterrupt


class Deadline:
    """Ends the process when it still runs `seconds` after `begin`, or at once when it is told to.

    It waits in a thread of its own, since everything else may hang: the event loop in Python code, a thread in the
    database, the end of the interpreter in a thread that it waits for. `begin` and `end_at_once` may be called from
    anywhere, also in a signal handler. What ends within `with` is let go; without `seconds` it may take for ever.
    """

    def __init__(self, seconds: float | None = None, *, code: int = 1) -> None:
        self._seconds = seconds
        self._code = code
        self._orders: SimpleQueue[Callable[[], bool]] = SimpleQueue()
        self._until: float | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._orders.put(lambda: False)

    def start(self) -> None:
        threading.Thread(target=self._watch, name="deadline", daemon=True).start()

    def begin(self) -> None:
        """From now on the time counts; a second call changes nothing."""
        self._orders.put(self._begin)

    def end_at_once(self) -> None:
        """End the process: an event loop would first wait for what hangs."""
        self._orders.put(self._forced)

    def _watch(self) -> None:
        try:
            while self._orders.get(timeout=self._left())():
                pass
        except Empty:
            end_process(self._code, self._tell)

    def _left(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def _begin(self) -> bool:
        if self._seconds is not None and self._until is None:
            self._until = time.monotonic() + self._seconds
        return True

    def _forced(self) -> NoReturn:
        end_process(FORCED_EXIT, lambda: logger.warning("stopped at once by a second signal"))

    def _tell(self) -> None:
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        stack = "".join(traceback.format_stack(frame)) if frame else "it has ended\n"
        logger.critical(
            "the process did not stop within %.0f s and is ended; its main thread is here:\n%s", self._seconds, stack
        )


@contextlib.contextmanager
def stop_on_signals(
    stop: Callable[[], object], *, force: Callable[[], object] | None = None, deadline: Deadline | None = None
) -> Iterator[list[signal.Signals]]:
    """The first SIGTERM or SIGINT calls `stop`, each further one `force`. Gives the signals that came.

    Inside an event loop both are called in the loop, which is logged; by default further ones end the process, also
    when the loop is blocked, and the first begins the `deadline`. Elsewhere both are called in the main thread,
    wherever it is, and `force` is by default `interrupt`. The handlers that were there are put back. Only the main
    thread may handle signals: in another one nothing is handled.
    """
    received: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    loop = _running_loop()
    previous = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        if loop is None:
            _call_at_once(received, stop, force or interrupt)
            yield received
        elif deadline is not None:
            _call_in_loop(loop, received, stop, force, deadline)
            yield received
        else:
            with Deadline() as deadline:
                _call_in_loop(loop, received, stop, force, deadline)
                yield received
    finally:
        for number, handler in previous.items():
            if loop is not None:
                loop.remove_signal_handler(number)
            # None: it was not set by Python, and nothing can put it back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _call_at_once(received: list[signal.Signals], stop: Callable[[], object], force: Callable[[], object]) -> None:
    def receive(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        (stop if len(received) == 1 else force)()

    for number in SIGNALS:
        signal.signal(number, receive)


def _call_in_loop(
    loop: asyncio.AbstractEventLoop,
    received: list[signal.Signals],
    stop: Callable[[], object],
    force: Callable[[], object] | None,
    deadline: Deadline,
) -> None:
    heard: list[int] = []

    def receive(number: int, _frame: FrameType | None) -> None:
        # This may come in the middle of a line of the log, which would refuse another one: the loop or a thread writes.
        received.append(signal.Signals(number))
        if len(received) == 1:
            deadline.begin()
        elif force is None:
            deadline.end_at_once()

    def receive_in_loop(number: int) -> None:
        heard.append(number)
        if len(heard) == 1:
            logger.info("stopping on %s; a second signal stops at once", signal.Signals(number).name)
            stop()
        elif force is not None:
            logger.warning("stopped at once by a second signal")
            force()

    for number in SIGNALS:
        loop.add_signal_handler(number, receive_in_loop, number)
        # The loop is woken all the same; but a loop that is blocked in Python code would not call anybody.
        signal.signal(number, receive)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
