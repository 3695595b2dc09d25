"""Grouped commit: a commit starts as soon as the previous one ended, with whatever came meanwhile.

An idle bot commits at once, a busy one in large groups; there is no timer.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any
from uuid import UUID

from django.utils import timezone

from vkteams_bot.api import Bot, Method
from vkteams_bot.runtime.bot_store import BotStore, Changes
from vkteams_bot.stores import log
from vkteams_bot.stores.lease import LeaseLost
from vkteams_bot.stores.threads import DatabaseThread
from vkteams_bot.stores.wrong_database import NotMigrated

logger = logging.getLogger("vkteams_bot.runtime")

Claimed = frozenset[UUID]
Waiting = tuple[Changes, asyncio.Future[Claimed] | None]


class Committer:
    """Takes changes from many conversations and writes them together, at most `largest_group` at once."""

    def __init__(self, store: BotStore, thread: DatabaseThread, *, largest_group: int = 500) -> None:
        self._store = store
        self._thread = thread
        self._largest_group = largest_group
        self._waiting: list[Waiting] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._closing = False

    def add(self, changes: Changes) -> None:
        """Write with the next group; nobody waits for it."""
        self._waiting.append((changes, None))
        self._wake.set()

    async def commit(self, changes: Changes) -> Claimed:
        """Write and wait; the ids of `changes.claims` that are ours to send.

        Raises LeaseLost, or whatever makes these very changes impossible to write. A lost database is waited for.
        """
        future: asyncio.Future[Claimed] = asyncio.get_running_loop().create_future()
        self._waiting.append((changes, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Until `close()`, then until all is written. Raises LeaseLost, or NotMigrated."""
        try:
            while self._waiting or not self._closing:
                if not self._waiting:
                    self._idle.set()
                    self._wake.clear()
                    await self._wake.wait()
                    self._idle.clear()
                    continue
                group = self._waiting[: self._largest_group]
                self._waiting = self._waiting[self._largest_group :]
                await self._write(group)
        except BaseException as error:
            _lose(self._waiting, error)
            self._waiting.clear()
            raise

    async def flush(self) -> None:
        """Until all that was added is written. Raises nothing: what could not be written is logged."""
        while self._waiting or not self._idle.is_set():
            await self._idle.wait()
            await asyncio.sleep(0)

    def close(self) -> None:
        """Write what is waiting, then end."""
        self._closing = True
        self._wake.set()

    async def _write(self, group: list[Waiting]) -> None:
        together = Changes()
        for changes, _ in group:
            together.add(changes)
        try:
            claimed = frozenset(await self._thread.run_with_retry(partial(self._store.commit, together)))
        except (LeaseLost, NotMigrated, asyncio.CancelledError) as error:
            _lose(group, error)
            raise
        except Exception as error:  # one of them cannot be written, whatever it is: it is found, and fails alone
            if len(group) > 1:
                await self._write_one_by_one(group, error)
                return
            [(_, future)] = group
            if future is None or future.done():
                logger.exception("changes could not be written and are dropped")
            else:
                future.set_exception(error)
        else:
            for _, future in group:
                if future is not None and not future.done():
                    future.set_result(claimed)

    async def _write_one_by_one(self, group: list[Waiting], error: Exception) -> None:
        logger.warning(
            "a group of %d changes could not be written, trying one by one: %s", len(group), error, exc_info=error
        )
        for place, waiting in enumerate(group):
            try:
                await self._write([waiting])
            except BaseException as failure:
                _lose(group[place:], failure)
                raise


def _lose(group: list[Waiting], error: BaseException) -> None:
    """Whoever waits for these learns that they are not written: for this process the lease is as good as lost."""
    for _, future in group:
        if future is not None and not future.done():
            future.set_exception(error if isinstance(error, NotMigrated) else LeaseLost())
            future.exception()  # a conversation that was cancelled meanwhile asks no more


class CommittedSentLog:
    """Hands lines of the chat log to the committer, from the loop or from a handler's thread."""

    def __init__(self, committer: Committer, loop: asyncio.AbstractEventLoop) -> None:
        self._committer = committer
        self._loop = loop

    def sent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        self._loop.call_soon_threadsafe(self._committer.add, _lines(method, result))

    async def asent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        self._committer.add(_lines(method, result))


def _lines(method: Method[Any], result: Any) -> Changes:
    return Changes(log=log.outgoing(method, result, timezone.now()))
