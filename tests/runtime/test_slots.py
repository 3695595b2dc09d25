"""Slots: never more than there are, first come first served, none lost by cancellation."""

import asyncio

import pytest

from vkteams_bot.runtime.slots import Slots


async def holder(slots: Slots, log: list, name: int, release: asyncio.Event) -> None:
    async with slots:
        log.append(name)
        await release.wait()


def test_never_more_than_the_count_and_in_order_of_arrival():
    async def main():
        slots, release = Slots(2), asyncio.Event()
        log: list[int] = []
        tasks = [asyncio.create_task(holder(slots, log, name, release)) for name in range(5)]
        await asyncio.sleep(0)
        assert log == [0, 1]
        release.set()
        await asyncio.gather(*tasks)
        assert log == [0, 1, 2, 3, 4]

    asyncio.run(main())


def test_an_error_inside_gives_the_slot_back():
    async def main():
        slots = Slots(1)
        with pytest.raises(ValueError, match="inside"):
            async with slots:
                raise ValueError("inside")
        async with asyncio.timeout(1), slots:
            pass

    asyncio.run(main())


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_cancelled_waiter_loses_no_slot(handed_over):
    async def main():
        slots = Slots(1)
        log: list[int] = []
        first, second = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(holder(slots, log, 1, first))
        waiting = asyncio.create_task(holder(slots, log, 2, second))
        await asyncio.sleep(0)
        if handed_over:  # the slot goes to the waiter, which is cancelled before it sees it
            first.set()
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        first.set()
        await running
        async with asyncio.timeout(1), slots:
            log.append(3)
        assert log == [1, 3]

    asyncio.run(main())
