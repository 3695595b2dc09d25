import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import pytest
from django.db import DataError, InterfaceError

from vkteams_bot.runtime.bot_store import Changes
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.stores.lease import LeaseLost
from vkteams_bot.stores.threads import DatabaseThread
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.stores.wrong_database import NotMigrated

LARGEST = 200


class Store:
    """Stands for the database: notes each group, and does what `fate` says."""

    alias = "default"

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.fate: Callable[[Changes], None] = lambda changes: None

    def commit(self, changes: Changes) -> set[UUID]:
        self.gate.wait(10)
        self.groups.append(list(changes.started))
        self.fate(changes)
        return set(changes.claims)


def run(scenario: Callable[[Committer, Store], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        store, thread = Store(), DatabaseThread("test")
        committer = Committer(store, thread, largest_group=LARGEST)  # type: ignore[arg-type]
        running = asyncio.create_task(committer.run())
        try:
            await scenario(committer, store)
            committer.close()
            await running
        finally:
            running.cancel()
            await thread.close()

    asyncio.run(main())


def started(*ids: int) -> Changes:
    return Changes(started=list(ids))


def test_what_comes_during_a_commit_is_the_next_group():
    async def scenario(committer: Committer, store: Store) -> None:
        store.gate.clear()
        first = asyncio.create_task(committer.commit(started(0)))
        await asyncio.sleep(0.02)
        others = [asyncio.create_task(committer.commit(started(n))) for n in range(1, 100)]
        await asyncio.sleep(0)
        committer.add(started(100))
        store.gate.set()
        await asyncio.gather(first, *others)
        assert store.groups == [[0], list(range(1, 101))], "an idle one at once, then all that waited, in order"

    run(scenario)


def test_a_group_is_bounded():
    async def scenario(committer: Committer, store: Store) -> None:
        for number in range(LARGEST + 7):
            committer.add(started(number))
        await committer.commit(started(-1))
        assert [len(group) for group in store.groups] == [LARGEST, 8]

    run(scenario)


def test_one_that_cannot_be_written_fails_alone():
    async def scenario(committer: Committer, store: Store) -> None:
        def refuse_13(changes: Changes) -> None:
            if 13 in changes.started:
                raise DataError("value too long")

        store.fate = refuse_13
        results = await asyncio.gather(*(committer.commit(started(n)) for n in range(20)), return_exceptions=True)
        assert [n for n, result in enumerate(results) if isinstance(result, DataError)] == [13]
        assert [group for group in store.groups if len(group) == 1] == [[n] for n in range(20)]
        store.fate = lambda changes: None
        assert await committer.commit(started(21)) == frozenset(), "it goes on"

    run(scenario)


def test_a_lost_database_is_waited_for_and_the_same_group_written():
    async def scenario(committer: Committer, store: Store) -> None:
        def away(changes: Changes) -> None:
            if len(store.groups) < 3:
                raise InterfaceError("connection already closed")

        store.fate = away
        await committer.commit(started(1, 2))
        assert store.groups == [[1, 2]] * 3

    run(scenario)


def test_who_claims_learns_what_was_free():
    async def scenario(committer: Committer, store: Store) -> None:
        call = uuid7()
        assert call in await committer.commit(Changes(claims=[call]))

    run(scenario)


def test_closing_writes_what_waits():
    groups: list[list[int]] = []

    async def scenario(committer: Committer, store: Store) -> None:
        nonlocal groups
        groups = store.groups
        committer.add(started(1))

    run(scenario)
    assert groups == [[1]]


@pytest.mark.parametrize("error", [LeaseLost(), NotMigrated(Exception("no such table: x"))])
def test_a_lost_lease_and_a_missing_table_end_it_for_all(error: Exception):
    async def main() -> None:
        store, thread = Store(), DatabaseThread("test")

        def lost(changes: Changes) -> None:
            raise error

        store.fate = lost
        committer = Committer(store, thread)  # type: ignore[arg-type]
        running = asyncio.create_task(committer.run())
        store.gate.clear()
        first = asyncio.create_task(committer.commit(started(1)))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(committer.commit(started(2)))
        await asyncio.sleep(0)
        store.gate.set()
        for waiter in (first, second, running):
            with pytest.raises(type(error)):
                await waiter
        await thread.close()

    asyncio.run(main())


def test_a_lease_lost_while_writing_one_by_one_leaves_nobody_waiting():
    async def main() -> None:
        store, thread = Store(), DatabaseThread("test")

        def fate(changes: Changes) -> None:
            if len(changes.started) > 1:
                raise DataError("value too long")
            if changes.started == [2]:
                raise LeaseLost

        store.fate = fate
        committer = Committer(store, thread)  # type: ignore[arg-type]
        waiters = [asyncio.create_task(committer.commit(started(number))) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        with pytest.raises(LeaseLost):
            await committer.run()
        async with asyncio.timeout(5):
            results = await asyncio.gather(*waiters, return_exceptions=True)
        assert [type(result) for result in results] == [frozenset, LeaseLost, LeaseLost]
        await thread.close()

    asyncio.run(main())
