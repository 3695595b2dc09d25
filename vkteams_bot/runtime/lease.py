"""Holding the lease while the bot runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from django.db import Error, connections

from vkteams_bot.stores.lease import Lease
from vkteams_bot.stores.outages import OutageWait, is_connection_refused, is_outage
from vkteams_bot.stores.slow_calls import slow_calls
from vkteams_bot.stores.threads import DatabaseThread, drop_broken_connections
from vkteams_bot.stores.wrong_database import DatabaseFile, NotMigrated, is_unmigrated

logger = logging.getLogger("vkteams_bot.runtime")


async def take_lease(lease: Lease, thread: DatabaseThread, alias: str) -> None:
    """Return when the lease is ours; meanwhile stand by."""
    announced = False
    outage = OutageWait(logger, extra={"bot": alias})
    pause = lease.seconds / 8
    while not await outage.run_async(lambda: _taken(lease, thread)):
        if not announced:
            holder = await outage.run_async(lambda: thread.run(lease.holder))
            logger.info(
                "bot %s is polled by %s; standing by", alias, holder, extra={"bot": alias, "condition": "standing_by"}
            )
            announced = True
        await asyncio.sleep(pause)


async def _taken(lease: Lease, thread: DatabaseThread) -> bool:
    """When cancelled, what the thread may have taken meanwhile is given back."""
    try:
        return await thread.run(lease.take)
    except asyncio.CancelledError:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(lease.seconds):
                await _release(lease, thread)
        raise


async def _release(lease: Lease, thread: DatabaseThread) -> None:
    try:
        await thread.run(lease.release)
    except Error as error:
        if not is_outage(error):
            raise
        logger.debug("the lease was not released and ends by itself: %s", error)


class LeaseKeeper:
    """Renews the lease from a thread of its own: it is kept while the event loop stands still.

    With it goes what `report` gives, as `BotAccount.report` holds it, and how many seconds ago a poll was answered.
    While the database has no connection free for it, that of `database` serves.
    """

    def __init__(
        self,
        lease: Lease,
        database: DatabaseThread,
        alias: str,
        *,
        report: Callable[[], Mapping[str, Any]],
        polled_ago: Callable[[], float | None],
    ) -> None:
        self._lease = lease
        self._database = database
        self._alias = alias
        self._report = report
        self._polled_ago = polled_ago
        self._file = DatabaseFile()
        self._stopped = threading.Event()

    async def run(self) -> None:
        """For ever. Raises LeaseLost when another process took over, as after a long outage of the database.

        Raises DatabaseReplaced when the lease is one in a file that was moved away.
        """
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[None] = loop.create_future()
        thread = threading.Thread(target=self._keep, args=[loop, lost], name=f"lease-{self._alias}", daemon=True)
        thread.start()
        try:
            await lost
        finally:
            self._stopped.set()

    def _keep(self, loop: asyncio.AbstractEventLoop, lost: asyncio.Future[None]) -> None:
        try:
            while not self._stopped.wait(self._lease.seconds / 3.2):
                try:
                    self._renew(loop)
                except Error as error:  # also a statement timeout of the project's: the next renewal may be in time
                    connections.close_all()
                    level = logging.DEBUG if is_outage(error) else logging.WARNING
                    logger.log(level, "the lease was not renewed: %s", error, extra={"bot": self._alias})
        except BaseException as error:  # LeaseLost, and whatever else: a lease that nobody keeps must not go unnoticed
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_fail, lost, error)
        finally:
            connections.close_all()

    def _renew(self, loop: asyncio.AbstractEventLoop) -> None:
        self._file.check()
        report, polled_ago = self._report(), self._polled_ago()
        try:
            with slow_calls.watched("Lease.renew", logger, bot=self._alias):
                drop_broken_connections()
                self._lease.renew(report, polled_ago)
        except Error as error:
            if is_unmigrated(error):
                raise NotMigrated(error) from error
            if not is_connection_refused(error):
                raise
            renewing = self._database.run(self._lease.renew, report, polled_ago)
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(renewing, loop).result(self._lease.seconds)


def _fail(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
