"""What every contender's program shares. Standard library only: it runs in each library's own environment."""

import asyncio
import gc
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

CHATS = 500
ROUNDS_OF_DISPATCH = 5


def chat(number: int) -> str:
    return f"user{number % CHATS}@example.com"


def report(result: dict[str, Any]) -> None:
    print(json.dumps(result), flush=True)


# -- client ------------------------------------------------------------------------------------------------------------
#
# A case is {"name", "size", "repeat"}: `repeat` bursts of `size` sends at once; size 1 is one send after another.
# One burst of the same size runs before and is not measured, so that connections are open where the library keeps them.


async def client_cases(send: Callable[[str, str], Awaitable[Any]], cases: list[dict[str, Any]]) -> None:
    async def burst(size: int) -> None:
        if size == 1:
            await send(chat(0), "hello")
        else:
            await asyncio.gather(*(send(chat(i), "hello") for i in range(size)))

    result = {}
    for case in cases:
        await burst(case["size"])
        gc.collect()
        walls, cpu = [], time.process_time()
        for _ in range(case["repeat"]):
            start = time.perf_counter()
            await burst(case["size"])
            walls.append(time.perf_counter() - start)
        result[case["name"]] = _client_result(case, walls, time.process_time() - cpu)
    report(result)


def burst_cases() -> list[dict[str, Any]]:
    """What a bot's handler has to do instead of answering, in the section `burst`; empty in the others."""
    return json.loads(os.environ.get("BENCH_CASES", "[]"))


def client_cases_in_threads(send: Callable[[str, str], Any], cases: list[dict[str, Any]], threads: int) -> None:
    result = {}
    for case in cases:
        with ThreadPoolExecutor(min(case["size"], threads)) as pool:

            def burst(size: int) -> None:
                if size == 1:
                    send(chat(0), "hello")
                else:
                    list(pool.map(send, [chat(i) for i in range(size)], ["hello"] * size))

            burst(case["size"])
            gc.collect()
            walls, cpu = [], time.process_time()
            for _ in range(case["repeat"]):
                start = time.perf_counter()
                burst(case["size"])
                walls.append(time.perf_counter() - start)
            result[case["name"]] = _client_result(case, walls, time.process_time() - cpu)
    report(result)


def _client_result(case: dict[str, Any], walls: list[float], cpu: float) -> dict[str, float]:
    return {
        "wall_ms": statistics.median(walls) * 1e3,
        "cpu_us": cpu / (case["size"] * case["repeat"]) * 1e6,
    }


# -- dispatch ----------------------------------------------------------------------------------------------------------


def batch(text: str, size: int = 100) -> bytes:
    """The body of an answer to events/get: `size` private messages of different users."""
    events = [
        {
            "eventId": number,
            "type": "newMessage",
            "payload": {
                "chat": {"chatId": chat(number), "type": "private"},
                "from": {"firstName": "Name", "lastName": "Surname", "userId": chat(number)},
                "msgId": str(7500000000000000000 + number),
                "text": text,
                "timestamp": 1760000000,
            },
        }
        for number in range(1, size + 1)
    ]
    return json.dumps({"events": events, "ok": True}, ensure_ascii=False).encode()


def per_item_us(call: Callable[[], Any], items: int) -> float:
    """Median time of `call`, which handles `items` things, per thing."""
    return statistics.median(_timed(call) for _ in range(ROUNDS_OF_DISPATCH)) / items * 1e6


async def per_item_us_async(call: Callable[[], Awaitable[Any]], items: int) -> float:
    times = []
    for _ in range(ROUNDS_OF_DISPATCH):
        start = time.perf_counter()
        await call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) / items * 1e6


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
