"""Database calls that hang are told: once, again after a while, and when they came back."""

import asyncio
import functools
import logging
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection

from tests.processes import wait_until
from vkteams_bot.stores.outages import is_outage
from vkteams_bot.stores.slow_calls import IDLE_LOOKS, SlowCalls
from vkteams_bot.stores.threads import DatabaseThread

logger = logging.getLogger("vkteams_bot.runtime")


@pytest.fixture
def slow() -> Iterator[SlowCalls]:
    found = SlowCalls(0.1, repeat_seconds=0.3, look_seconds=0.02)
    yield found
    wait_until(lambda: found._thread is None, 10, "the thread that looks has ended")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_call_that_hangs_is_told_again_and_at_its_end(slow: SlowCalls, caplog: pytest.LogCaptureFixture):
    with slow.watched("commit", logger, bot="shop"):
        wait_until(lambda: len(caplog.records) == 1, 10, "it is told")
        time.sleep(0.15)
        assert len(caplog.records) == 1, "it is not told at every look"
        wait_until(lambda: len(caplog.records) == 2, 10, "it is told again")
    assert told(caplog) == [
        *2 * ["the database call commit takes longer than 0 s"],
        "the database call commit ended after 0 s",
    ]
    for record in caplog.records:
        assert (record.levelname, record.name) == ("WARNING", "vkteams_bot.runtime")
        assert (vars(record)["bot"], vars(record)["condition"]) == ("shop", "database_slow")


def test_quick_calls_are_not_told(slow: SlowCalls, caplog: pytest.LogCaptureFixture):
    for _ in range(20):
        with slow.watched("commit", logger):
            time.sleep(0.01)
    assert told(caplog) == []


def test_the_thread_that_looks_ends_when_there_is_nothing_to_see(slow: SlowCalls, caplog: pytest.LogCaptureFixture):
    for _ in range(2):
        with slow.watched("commit", logger):
            assert slow._thread is not None
        time.sleep(0.02 * IDLE_LOOKS)
        wait_until(lambda: slow._thread is None, 10, "it has ended")
    with slow.watched("commit", logger):
        wait_until(lambda: len(caplog.records) == 1, 10, "a new one looks")


def test_a_thread_of_the_store_names_what_it_does(slow: SlowCalls, caplog: pytest.LogCaptureFixture):
    class Store:
        def commit(self, seconds: float) -> None:
            time.sleep(seconds)

    async def main() -> None:
        thread = DatabaseThread("test", bot="shop", slow=slow)
        await thread.run(functools.partial(Store().commit, 0.3))
        await thread.run_with_retry(lambda: time.sleep(0.3))
        assert await thread.close()

    asyncio.run(main())
    name = "test_a_thread_of_the_store_names_what_it_does.<locals>"
    names = [message.split()[3] for message in told(caplog)]
    assert names == 2 * [f"{name}.Store.commit"] + 2 * [f"{name}.main"]
    assert {vars(record)["bot"] for record in caplog.records} == {"shop"}


@pytest.mark.orm
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_stops_gives_up_what_hangs(caplog: pytest.LogCaptureFixture):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no network")
    stopping = threading.Event()
    slow = SlowCalls(0.1, look_seconds=0.02, give_up=stopping.is_set)
    connection.ensure_connection()
    threading.Timer(0.5, stopping.set).start()
    began = time.monotonic()
    with pytest.raises(OperationalError) as caught, slow.watched("commit", logger), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(30)")
    connection.close()
    with connection.cursor() as cursor:  # the server has not noticed, and sleeps on
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30%'")
    assert 0.5 <= time.monotonic() - began < 10
    assert is_outage(caught.value), "it is waited for, or left to the next one, as when the server is away"
    assert any("commit is given up after" in message for message in told(caplog))
