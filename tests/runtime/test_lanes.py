import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.stores.factories import event, key
from vkteams_bot.fsm import StateKey, StateRecord
from vkteams_bot.runtime.lanes import Lane, Lanes, QueuedUpdate, Work

A, B = key("a@example.com"), key("b@example.com")


class Handle:
    """Notes what starts and ends; each waits until it is let go."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.gates: dict[int, asyncio.Event] = {}
        self.records: list[StateRecord | None] = []

    async def __call__(self, lane: Lane, update: Work) -> None:
        assert isinstance(update, QueuedUpdate)
        self.records.append(lane.record)
        self.log.append(f"start {update.id}")
        await self.gates.setdefault(update.id, asyncio.Event()).wait()
        lane.record = StateRecord(str(update.id))
        self.log.append(f"end {update.id}")

    def let_go(self, *ids: int) -> None:
        for number in ids:
            self.gates.setdefault(number, asyncio.Event()).set()


def put(lanes: Lanes, where: StateKey, *ids: int, state: str = "loaded") -> list[bool]:
    with lanes.held([where]) as wanted:
        record = StateRecord(state) if wanted else StateRecord("not wanted")
        return [lanes.put(where, QueuedUpdate(number, event(number)), record) for number in ids]


class Database:
    """What waits behind the lanes."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.asked: list[tuple[int, int]] = []

    async def refill(self, where: StateKey, after: int, limit: int) -> tuple[list[QueuedUpdate], bool]:
        self.asked.append((after, limit))
        page = [number for number in self.waiting if number > after][:limit]
        await asyncio.sleep(0)
        return [QueuedUpdate(number, event(number)) for number in page], len(page) < limit


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def run(scenario: Callable[[Lanes, Handle, list[BaseException]], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        handle, failures = Handle(), list[BaseException]()
        lanes = Lanes(handle, refill=Database().refill, on_failure=failures.append)
        await scenario(lanes, handle, failures)

    asyncio.run(main())


def test_one_conversation_is_in_order_and_others_run_beside_it():
    async def scenario(lanes: Lanes, handle: Handle, failures: list[BaseException]) -> None:
        put(lanes, A, 1, 2)
        put(lanes, B, 3)
        await settle()
        assert handle.log == ["start 1", "start 3"]
        assert (lanes.size, lanes.update_ids()) == (3, {1, 2, 3})
        handle.let_go(3, 2)
        await settle()
        assert handle.log == ["start 1", "start 3", "end 3"]
        handle.let_go(1)
        await settle()
        assert handle.log[3:] == ["end 1", "start 2", "end 2"]
        assert (lanes.size, lanes.update_ids()) == (0, set())

    run(scenario)


def test_the_state_of_a_lane_that_lives_is_not_loaded_again():
    async def scenario(lanes: Lanes, handle: Handle, failures: list[BaseException]) -> None:
        put(lanes, A, 1)
        await settle()
        put(lanes, A, 2, state="stale")
        handle.let_go(1, 2)
        await settle()
        put(lanes, A, 3, state="fresh")
        handle.let_go(3)
        await settle()
        assert [record.state for record in handle.records if record] == ["loaded", "1", "fresh"]

    run(scenario)


def test_a_held_lane_outlives_its_last_update():
    """Between the decision not to load a state and the put the lane must not end."""

    async def scenario(lanes: Lanes, handle: Handle, failures: list[BaseException]) -> None:
        put(lanes, A, 1)
        await settle()
        with lanes.held([A]) as wanted:
            assert wanted == set(), "its state is known"
            handle.let_go(1, 2)
            await settle()
            assert handle.log == ["start 1", "end 1"]
            lanes.put(A, QueuedUpdate(2, event(2)), StateRecord("stale"))
        await settle()
        assert handle.records[-1] == StateRecord("1")

    run(scenario)


def test_stopping_starts_nothing_more_and_waits():
    async def scenario(lanes: Lanes, handle: Handle, failures: list[BaseException]) -> None:
        put(lanes, A, 1, 2)
        put(lanes, B, 3)
        await settle()
        asyncio.get_running_loop().call_later(0.02, handle.let_go, 1, 2, 3)
        assert await lanes.stop(10) == 0
        put(lanes, A, 4)
        await settle()
        assert handle.log == ["start 1", "start 3", "end 1", "end 3"]

    run(scenario)


def test_what_is_late_is_cancelled():
    async def scenario(lanes: Lanes, handle: Handle, failures: list[BaseException]) -> None:
        put(lanes, A, 1, 2)
        put(lanes, B, 3)
        await settle()
        handle.let_go(3)
        assert await lanes.stop(0.05) == 1
        assert handle.log == ["start 1", "start 3", "end 3"]
        assert not failures

    run(scenario)


def test_a_failure_is_reported():
    async def main() -> None:
        failures: list[BaseException] = []

        async def fails(lane: Lane, update: Work) -> None:
            raise LookupError(update)

        lanes = Lanes(fails, refill=Database().refill, on_failure=failures.append)
        put(lanes, A, 1)
        await settle()
        assert [type(error) for error in failures] == [LookupError]

    asyncio.run(main())


@pytest.mark.parametrize("limit", [1, 3])
def test_the_high_water_mark(limit: int):
    async def scenario(lanes: Lanes, handle: Handle, failures: list[BaseException]) -> None:
        put(lanes, A, 1, 2, 3)
        waiting = asyncio.create_task(lanes.wait_below(limit))
        ids = iter((1, 2, 3))
        for left in (3, 2, 1):
            await settle()
            assert waiting.done() == (left < limit)
            handle.let_go(next(ids))
        await settle()
        assert waiting.done()

    run(scenario)


def test_a_full_lane_leaves_its_surplus_in_the_database_and_gets_it_in_order():
    async def main() -> None:
        handle, database, failures = Handle(), Database(), list[BaseException]()
        lanes = Lanes(handle, refill=database.refill, on_failure=failures.append, longest=2)
        handle.let_go(*range(2, 20))
        database.waiting = [1, 2, 3, 4, 5]
        assert put(lanes, A, 1) == [True]
        await settle()
        assert put(lanes, A, 2, 3, 4, 5) == [True, True, False, False]
        assert put(lanes, B, 6) == [True], "another conversation has room"
        assert not lanes.is_idle
        database.waiting.append(7)
        assert put(lanes, A, 7) == [False], "it may not overtake those that wait"
        handle.let_go(1)
        await asyncio.wait_for(lanes.wait_idle(), 5)
        assert [line for line in handle.log if line.startswith("start")] == [
            f"start {number}" for number in (1, 6, 2, 3, 4, 5, 7)
        ]
        assert not failures

    asyncio.run(main())


def test_what_is_stored_while_a_lane_is_filled_is_not_forgotten():
    async def main() -> None:
        handle, database, failures = Handle(), Database(), list[BaseException]()
        refill = database.refill

        async def interrupted(where: StateKey, after: int, limit: int) -> tuple[list[QueuedUpdate], bool]:
            page = await refill(where, after, limit)
            if 4 not in database.waiting:
                database.waiting.append(4)
                put(lanes, A, 4)
            return page

        lanes = Lanes(handle, refill=interrupted, on_failure=failures.append, longest=1)
        handle.let_go(2, 3, 4)
        database.waiting = [1, 2, 3]
        put(lanes, A, 1)
        await settle()
        put(lanes, A, 2, 3)
        handle.let_go(1)
        await asyncio.wait_for(lanes.wait_idle(), 5)
        assert handle.log[-1] == "end 4"

    asyncio.run(main())


def test_an_older_update_is_taken_by_a_full_lane():
    """One that an operator retries: the lane looks in the database for newer ones only."""

    async def main() -> None:
        handle, database, failures = Handle(), Database(), list[BaseException]()
        lanes = Lanes(handle, refill=database.refill, on_failure=failures.append, longest=1)
        put(lanes, A, 5)
        await settle()
        assert put(lanes, A, 6, 7, 3) == [True, False, True]

    asyncio.run(main())
