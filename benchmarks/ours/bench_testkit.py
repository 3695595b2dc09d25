"""Exchanges of the test kit: a text comes in, state changes, a reply is seen. Inside one transaction, as in a TestCase.

bench_testkit.py testkit <exchanges>
"""

import sys
import time
from collections.abc import Callable

import django
from asgiref.sync import async_to_sync
from django.db import transaction
from django.test.utils import setup_databases, teardown_databases
from measuring import report


def measured(exchanges: int, work: Callable[[int], None]) -> dict[str, float]:
    work(exchanges // 10)
    begin, cpu = time.perf_counter(), time.process_time()
    work(exchanges)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
    return {"per_second": exchanges / seconds, "cpu_us": cpu_seconds / exchanges * 1e6}


def main(_: str, exchanges: str) -> None:
    django.setup()
    from vkteams_bot.testing import Chat

    databases = setup_databases(0, interactive=False)
    try:
        with transaction.atomic(), Chat() as chat:
            alice = chat.user("alice@example.com")

            def plain(count: int) -> None:
                for number in range(count):
                    alice.sends(f"text {number}")
                    assert alice.sees == f"text {number}"

            async def coroutine(count: int) -> None:
                for number in range(count):
                    await alice.sends(f"text {number}")
                    assert alice.sees == f"text {number}"

            report(
                {
                    "plain tests": measured(int(exchanges), plain),
                    "coroutines": measured(int(exchanges), async_to_sync(coroutine)),
                }
            )
    finally:
        teardown_databases(databases, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
