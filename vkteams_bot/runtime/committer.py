"""Grouped commit: a commit starts as soon as the previous one ended, with whatever came meanwhile.

An idle bot commits at once, a busy one in large groups; there is no timer.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from uuid import UUID

from vkteams_bot.stores.bot_store import BotStore, Changes
from vkteams_bot.stores.lease import LeaseLost
from vkteams_bot.stores.threads import DatabaseThread

logger = logging.getLogger("vkteams_bot.runtime")

LARGEST_GROUP = 500

Claimed = frozenset[UUID]


class Committer:
    """Takes changes from many conversations and writes them together."""

    def __init__(self, store: BotStore, thread: DatabaseThread) -> None:
        self._store = store
        self._thread = thread
        self._waiting: list[tuple[Changes, asyncio.Future[Claimed] | None]] = []
        self._wake = asyncio.Event()
        self._resting = asyncio.Event()
        self._closing = False

    def add(self, changes: Changes) -> None:
        """Write with the next group; nobody waits for it."""
        self._waiting.append((changes, None))
        self._wake.set()

    async def commit(self, changes: Changes) -> Claimed:
        """Write and wait; the ids of `changes.claims` that were still free.

        Raises LeaseLost, or whatever makes these very changes impossible to write. A lost database is waited for.
        """
        future: asyncio.Future[Claimed] = asyncio.get_running_loop().create_future()
        self._waiting.append((changes, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Until `close()`, then until all is written. Raises LeaseLost."""
        try:
            while self._waiting or not self._closing:
                if not self._waiting:
                    self._resting.set()
                    self._wake.clear()
                    await self._wake.wait()
                    self._resting.clear()
                    continue
                group, self._waiting = self._waiting[:LARGEST_GROUP], self._waiting[LARGEST_GROUP:]
                await self._write(group)
        finally:
            for _, future in self._waiting:
                if future is not None and not future.done():
                    future.set_exception(LeaseLost())
            self._waiting.clear()

    async def flush(self) -> None:
        """Until all that was added is written. Raises nothing: what could not be written is logged."""
        while self._waiting or not self._resting.is_set():
            await self._resting.wait()
            await asyncio.sleep(0)

    def close(self) -> None:
        """Write what is waiting, then end."""
        self._closing = True
        self._wake.set()

    async def _write(self, group: list[tuple[Changes, asyncio.Future[Claimed] | None]]) -> None:
        together = Changes()
        for changes, _ in group:
            together.add(changes)
        try:
            claimed = await self._persist(together)
        except LeaseLost:
            for _, future in group:
                if future is not None and not future.done():
                    future.set_exception(LeaseLost())
            raise
        except Exception as error:
            if len(group) > 1:
                logger.warning("a group of %d changes could not be written, trying one by one: %s", len(group), error)
                for one in group:
                    await self._write([one])
                return
            _, future = group[0]
            if future is None or future.done():
                logger.exception("changes could not be written and are dropped")
            else:
                future.set_exception(error)
        else:
            for _, future in group:
                if future is not None and not future.done():
                    future.set_result(claimed)

    async def _persist(self, changes: Changes) -> Claimed:
        tries = itertools.count()
        return frozenset(await self._thread.run_with_retry(lambda: self._store.commit(changes, again=next(tries) > 0)))
