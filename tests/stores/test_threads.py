import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, connection, transaction

from tests.processes import wait_until
from vkteams_bot.stores.threads import DatabaseThread, HandlerThreads

orm = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def threads() -> Iterator[HandlerThreads]:
    found = HandlerThreads(4)
    yield found
    assert found.close() == 0


def name() -> str:
    return threading.current_thread().name


class TestHandlerThreads:
    def run(self, threads: HandlerThreads, *handlers: Callable[[], Awaitable[object]]) -> list[object]:
        """Each as the runtime runs a handler."""

        async def assigned(handler: Callable[[], Awaitable[object]]) -> object:
            with threads.assigned():
                return await handler()

        async def all_of_them() -> list[object]:
            return await asyncio.gather(*(assigned(handler) for handler in handlers))

        return asyncio.run(all_of_them())

    def test_slow_work_delays_no_other(self, threads: HandlerThreads):
        release = threading.Event()
        ended: list[str] = []

        def slow() -> None:
            release.wait(20)
            ended.append("slow")

        def quick() -> None:
            ended.append("quick")
            if ended.count("quick") == 50:
                release.set()

        self.run(threads, *[sync_to_async(slow)] * 3, *[sync_to_async(quick)] * 50)

        assert ended == ["quick"] * 50 + ["slow"] * 3

    def test_more_work_than_threads_waits(self, threads: HandlerThreads):
        together, most = 0, 0
        lock = threading.Lock()

        def work() -> str:
            nonlocal together, most
            with lock:
                together += 1
                most = max(most, together)
            time.sleep(0.01)
            with lock:
                together -= 1
            return name()

        found = self.run(threads, *[sync_to_async(work)] * 30)

        assert most == 4
        assert set(found) == {f"handlers-{n}_0" for n in range(4)}

    def test_errors_and_cancellation_free_the_thread(self, threads: HandlerThreads):
        started, release = threading.Event(), threading.Event()

        def fails() -> None:
            raise LookupError("why")

        def blocks() -> None:
            started.set()
            release.wait(20)

        async def cancelled() -> None:
            task = asyncio.create_task(sync_to_async(blocks)())
            await asyncio.to_thread(started.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        for _ in range(8):
            with pytest.raises(LookupError, match="why"):
                self.run(threads, sync_to_async(fails))
        self.run(threads, cancelled)
        release.set()

        for _ in range(8):
            assert str(self.run(threads, sync_to_async(name))[0]).startswith("handlers-")

    def test_a_thread_whose_handler_was_given_up_is_replaced_up_to_a_bound(self):
        threads = HandlerThreads(2, most_replaced=3)
        release = threading.Event()

        async def given_up() -> None:
            with threads.assigned():
                task = asyncio.create_task(sync_to_async(release.wait)(20))
                await asyncio.sleep(0.05)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        async def all_of_them() -> None:
            for number in range(4):
                await given_up()
                assert threads.waiting == 0
                with threads.assigned():
                    assert await asyncio.wait_for(sync_to_async(name)(), 20), number
            await given_up()  # three were replaced: this one takes the last thread
            with threads.assigned():
                waiting = asyncio.create_task(sync_to_async(name)())
                await asyncio.sleep(0.05)
                assert threads.waiting == 1
                release.set()
                assert await asyncio.wait_for(waiting, 20)

        asyncio.run(all_of_them())

        assert threads.close() == 0
        wait_until(lambda: not any(t.name.startswith("handlers-") for t in threading.enumerate()), 10, "they end")

    def test_busy_threads_are_told_at_the_end(self):
        threads = HandlerThreads(2)
        release, started = threading.Event(), threading.Event()

        def blocks() -> None:
            started.set()
            release.wait(20)

        async def left_behind() -> None:
            with threads.assigned():
                task = asyncio.create_task(sync_to_async(blocks)())
                await asyncio.to_thread(started.wait, 20)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(left_behind())

        assert threads.close() == 1
        release.set()
        wait_until(lambda: not any(t.name.startswith("handlers-") for t in threading.enumerate()), 10, "they end")


class TestConnections:
    pytestmark = orm

    def run(self, threads: HandlerThreads, *handlers: Callable[[], Awaitable[object]]) -> list[object]:
        return TestHandlerThreads().run(threads, *handlers)

    def test_a_transaction_keeps_its_thread_and_others_keep_out(self, threads: HandlerThreads):
        """A handler that opens a transaction by hand, across awaits: nobody else works inside it."""
        users = get_user_model().objects
        seen: list[str] = []

        def begin() -> str:
            transaction.set_autocommit(True)
            atomic = transaction.atomic()
            atomic.__enter__()
            get_user_model().objects.create(username="inside")
            return name()

        async def careful() -> None:
            mine = await sync_to_async(begin)()
            for _ in range(5):
                await asyncio.sleep(0)
                assert await sync_to_async(name)() == mine
            seen.append(mine)
            # It ends without a commit: its work is gone with its connection.

        async def other() -> None:
            await asyncio.sleep(0.01)
            for _ in range(10):
                assert not await sync_to_async(lambda: connection.in_atomic_block)()

        self.run(threads, careful, *[other] * 6)

        assert seen
        assert not users.exists()
        for _ in range(8):
            assert not self.run(threads, sync_to_async(lambda: connection.in_atomic_block))[0]

    def test_after_an_outage_every_thread_connects_anew(self, threads: HandlerThreads):
        barrier = threading.Barrier(4)

        def use() -> int:
            barrier.wait(10)
            get_user_model().objects.count()
            return id(connection.connection)

        before = self.run(threads, *[sync_to_async(use)] * 4)
        same = self.run(threads, *[sync_to_async(use)] * 4)
        assert sorted(map(str, before)) == sorted(map(str, same)), "connections are kept between handlers"

        def break_and_use() -> int:
            barrier.wait(10)
            assert connection.connection is not None
            connection.connection.close()
            return 0

        self.run(threads, *[sync_to_async(break_and_use)] * 4)
        threads.distrust()

        self.run(threads, *[sync_to_async(use)] * 4)


class TestDatabaseThread:
    def test_it_insists_while_the_database_is_away(self):
        thread = DatabaseThread("test")
        tries: list[str] = []

        def work() -> str:
            tries.append(name())
            if len(tries) < 3:
                raise InterfaceError("connection already closed")
            return "done"

        assert asyncio.run(thread.run_with_retry(work)) == "done"
        assert asyncio.run(thread.close())
        assert len(set(tries)) == 1
        assert tries[0] != name()

    def test_it_does_not_insist_on_what_cannot_succeed(self):
        thread = DatabaseThread("test")

        def work() -> None:
            raise OperationalError("no such table: x")

        with pytest.raises(OperationalError):
            asyncio.run(thread.run_with_retry(work))
        assert asyncio.run(thread.close())

    def test_a_write_that_has_begun_is_finished(self):
        thread = DatabaseThread("test")
        started, release, done = threading.Event(), threading.Event(), threading.Event()

        def work() -> None:
            started.set()
            release.wait(10)
            done.set()

        async def cancelled() -> None:
            task = asyncio.create_task(thread.run(work))
            await asyncio.to_thread(started.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        release.set()
        assert asyncio.run(thread.close())
        assert done.is_set()


@pytest.mark.orm
@pytest.mark.django_db(transaction=True)
def test_a_session_that_the_server_ended_in_a_transaction_is_no_failure():
    """SQLSTATE 25P03 in an ingest ended the process."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no sessions")
    thread = DatabaseThread("test")
    tries: list[int] = []

    def ingest() -> None:
        tries.append(1)
        with transaction.atomic(), connection.cursor() as cursor:
            if len(tries) == 1:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 20")
                time.sleep(0.5)
            cursor.execute("SELECT 1")

    async def main() -> None:
        await thread.run_with_retry(ingest)
        assert await thread.close()

    asyncio.run(main())
    assert len(tries) == 2


def test_a_failure_that_nobody_waits_for_any_more_is_not_logged(caplog: pytest.LogCaptureFixture):
    """A lost lease at the end: "Future exception was never retrieved", with a traceback."""
    release = threading.Event()

    def work() -> None:
        release.wait(10)
        raise LookupError("nobody asks")

    async def main() -> None:
        thread = DatabaseThread("test")
        task = asyncio.create_task(thread.run(work))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        release.set()
        assert await thread.close()
        await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()
    assert caplog.records == []


def test_closing_does_not_wait_for_a_database_that_hangs():
    """It joined the thread inside the event loop: then no limit held, and no second signal was served."""
    release = threading.Event()

    async def main() -> bool:
        thread = DatabaseThread("test")
        work = asyncio.create_task(thread.run(release.wait))
        await asyncio.sleep(0.02)
        work.cancel()
        return await thread.close(seconds=0.05)

    try:
        assert asyncio.run(asyncio.wait_for(main(), 5)) is False
    finally:
        release.set()
