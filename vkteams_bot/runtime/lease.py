"""Holding the lease while the bot runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from django.db import Error

from vkteams_bot.stores.lease import Lease
from vkteams_bot.stores.outages import OutageWait, is_outage
from vkteams_bot.stores.threads import DatabaseThread

logger = logging.getLogger("vkteams_bot.runtime")


async def take_lease(lease: Lease, thread: DatabaseThread, alias: str) -> None:
    """Return when the lease is ours; meanwhile stand by."""
    announced = False
    outage = OutageWait(logger, extra={"bot": alias})
    pause = lease.seconds / 8
    while not await outage.run_async(lambda: _taken(lease, thread)):
        if not announced:
            holder = await outage.run_async(lambda: thread.run(lease.holder))
            logger.info("bot %s is polled by %s; standing by", alias, holder, extra={"bot": alias})
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


async def keep_lease(lease: Lease, thread: DatabaseThread) -> None:
    """Renew for ever. Raises LeaseLost when another process took over, as after a long database outage."""
    while True:
        await asyncio.sleep(lease.seconds / 3.2)
        try:
            await thread.run(lease.renew)
        except Error as error:  # also a statement timeout of the project's: the next renewal may be in time
            level = logging.DEBUG if is_outage(error) else logging.WARNING
            logger.log(level, "the lease was not renewed: %s", error)
