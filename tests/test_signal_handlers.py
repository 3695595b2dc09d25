"""The first signal asks, the second forces, with an event loop and without one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from vkteams_bot.signal_handlers import FORCED_EXIT, SIGNALS, stop_on_signals


def mine(_number: int, _frame: FrameType | None) -> None:
    raise AssertionError("the handler that was there before got the signal")


@pytest.fixture(autouse=True)
def _mine_before_and_after() -> Iterator[None]:
    """Handlers that were there are there again, whatever the test did."""
    before = {number: signal.signal(number, mine) for number in SIGNALS}
    yield
    after = {number: signal.signal(number, handler) for number, handler in before.items()}
    assert set(after.values()) == {mine}


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_asks_and_further_ones_force(number: signal.Signals) -> None:
    calls: list[str] = []
    with stop_on_signals(lambda: calls.append("stop"), force=lambda: calls.append("force")) as received:
        assert received == []
        for _ in range(3):
            signal.raise_signal(number)
    assert calls == ["stop", "force", "force"]
    assert received == [number] * 3


def test_both_signals_are_counted_together() -> None:
    calls: list[str] = []
    with stop_on_signals(lambda: calls.append("stop"), force=lambda: calls.append("force")) as received:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert calls == ["stop", "force"]
    assert received == [signal.SIGTERM, signal.SIGINT]


def test_the_second_interrupts_what_hangs() -> None:
    stop = threading.Event()

    def hang() -> None:
        with stop_on_signals(stop.set):
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        hang()


def test_in_a_loop_it_wakes_who_waits_and_says_how_to_stop_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> list[str]:
        stop, calls = asyncio.Event(), []
        with stop_on_signals(stop.set, force=lambda: calls.append("force")):
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(5):
                await stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.05)
        return calls

    with caplog.at_level(logging.INFO, "vkteams_bot.runtime"):
        assert asyncio.run(main()) == ["force"]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "stopping on SIGTERM; a second signal stops at once"),
        ("WARNING", "stopped at once by a second signal"),
    ]


def test_in_a_loop_the_handlers_of_the_loop_are_put_back() -> None:
    """`asyncio.run` has one of its own for Ctrl+C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

    async def main() -> bool:
        before = signal.getsignal(signal.SIGINT)
        with stop_on_signals(asyncio.Event().set):
            inside = signal.getsignal(signal.SIGINT)
        return before not in (signal.default_int_handler, inside) and signal.getsignal(signal.SIGINT) == before

    assert asyncio.run(main())
    signal.signal(signal.SIGINT, mine)


HANGS_IN_A_LOOP = """
import asyncio, contextlib, time
from vkteams_bot.signal_handlers import stop_on_signals

async def stubborn():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

async def main():
    stop = asyncio.Event()
    with stop_on_signals(stop.set):
        print("ready", flush=True)
        await stop.wait()
        print("asked", flush=True)
        await asyncio.gather(asyncio.to_thread(time.sleep, 60), stubborn())

asyncio.run(main())
"""


def test_in_a_loop_the_second_ends_the_process_and_waits_for_no_thread() -> None:
    with subprocess.Popen([sys.executable, "-c", HANGS_IN_A_LOOP], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in ("ready\n", "asked\n"):
                assert process.stdout.readline() == line
                process.send_signal(signal.SIGINT)
            began = time.monotonic()
            assert process.wait(20) == FORCED_EXIT
            assert time.monotonic() - began < 5
        finally:
            process.kill()


BLOCKS_ITS_LOOP = """
import asyncio, sys, time
from vkteams_bot.runtime.loop import new_event_loop
from vkteams_bot.signal_handlers import stop_on_signals

async def main():
    with stop_on_signals(asyncio.Event().set):
        print("ready", flush=True)
        time.sleep(60)

with asyncio.Runner(loop_factory=new_event_loop if sys.argv[1] == "uvloop" else asyncio.new_event_loop) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_loop_that_is_blocked_does_not_keep_the_process(loop: str) -> None:
    """A loop calls its signal handlers itself: three signals came to nothing while a handler slept in it."""
    with started(BLOCKS_ITS_LOOP, loop) as process:
        assert read(process) == "ready\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == FORCED_EXIT
        assert "stopped at once by a second signal" in process.communicate()[1]


MISSES_ITS_DEADLINE = """
import asyncio, logging, sys, time
from vkteams_bot.signal_handlers import Deadline, stop_on_signals

async def loop(stop):
    await stop.wait()
    time.sleep(60)

async def executor(stop):
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)  # asyncio.Runner waits for it
    await stop.wait()

async def log(stop):
    class Stuck(logging.Handler):
        def emit(self, record):
            time.sleep(60)
    await stop.wait()
    logging.getLogger().addHandler(Stuck())
    time.sleep(60)

async def main(deadline):
    stop = asyncio.Event()
    with stop_on_signals(stop.set, deadline=deadline):
        print("ready", flush=True)
        await globals()[sys.argv[1]](stop)

logging.basicConfig()
with Deadline(0.5) as deadline:
    asyncio.run(main(deadline))
"""


@pytest.mark.parametrize("what", ["loop", "executor", "log"])
def test_what_hangs_while_stopping_is_told_and_left(what: str) -> None:
    with started(MISSES_ITS_DEADLINE, what) as process:
        assert read(process) == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1
        told = process.communicate()[1]
    assert "CRITICAL:vkteams_bot.runtime:the process did not stop within 0 s and is ended" in told
    assert "main thread is here:\n  File" in told


def test_what_ends_in_time_is_let_go() -> None:
    code = "import time; from vkteams_bot.signal_handlers import Deadline\n"
    code += "with Deadline(0.2) as deadline: deadline.begin(); deadline.begin()\n"
    code += "time.sleep(0.6)"
    with started(code) as process:
        assert process.wait(20) == 0


@contextlib.contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    line = [sys.executable, "-c", *command]
    with subprocess.Popen(line, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_in_a_thread_nothing_is_handled_and_nothing_fails() -> None:
    """Python lets the main thread alone handle signals; a server may run in another one."""
    seen: list[object] = []

    def work() -> None:
        with stop_on_signals(int) as received:
            seen.extend([received, signal.getsignal(signal.SIGINT)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [[], mine]
