"""The loop whose timers jump."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from vkteams_bot.testing.hurried_loop import HurriedLoop

T = TypeVar("T")
HOUR = 3600


@pytest.fixture
def loop() -> Iterator[HurriedLoop]:
    loop = HurriedLoop()
    yield loop
    loop.close()


def in_a_hurry(loop: HurriedLoop, work: Coroutine[Any, Any, T]) -> T:
    with loop.hurried():
        return loop.run_until_complete(asyncio.wait_for(work, 10 * HOUR))


def test_timers_fire_in_their_order_at_once(loop: HurriedLoop):
    fired: list[int] = []

    async def later(hours: int) -> None:
        await asyncio.sleep(hours * HOUR)
        fired.append(hours)

    async def all_of_them() -> float:
        began = loop.time()
        await asyncio.gather(later(3), later(1), later(2))
        return loop.time() - began

    started = time.monotonic()
    assert in_a_hurry(loop, all_of_them()) == pytest.approx(3 * HOUR, abs=20)
    assert fired == [1, 2, 3]
    assert time.monotonic() - started < 20


def test_without_a_hurry_time_is_real(loop: HurriedLoop):
    async def wait() -> float:
        began = loop.time()
        await asyncio.sleep(0.05)
        return loop.time() - began

    assert loop.run_until_complete(wait()) < 10


def test_work_in_a_thread_does_not_time_out(loop: HurriedLoop):
    release = threading.Event()

    async def work() -> str:
        loop.call_soon(threading.Timer(0.1, release.set).start)
        async with asyncio.timeout(HOUR):
            return await asyncio.to_thread(lambda: "done" if release.wait(20) else "late")

    assert in_a_hurry(loop, work()) == "done"


def test_a_connection_does_not_time_out(loop: HurriedLoop):
    async def talk() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            await asyncio.to_thread(time.sleep, 0.05)
            writer.write(b"pong\n")
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server, asyncio.timeout(HOUR):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"ping\n")
            line = await reader.readline()
            writer.close()
            return line

    assert in_a_hurry(loop, talk()) == b"pong\n"


def test_waiting_from_another_thread_moves_the_clock(loop: HurriedLoop):
    before = loop.time()
    assert loop.wait(HOUR) == 0.0
    assert loop.time() - before >= HOUR

    async def inside() -> float:
        return loop.wait(HOUR)

    assert loop.run_until_complete(inside()) == HOUR
