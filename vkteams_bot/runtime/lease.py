"""Holding the lease while the bot runs."""

from __future__ import annotations

import asyncio
import logging

from vkteams_bot.stores.lease import RENEW_SECONDS, Lease
from vkteams_bot.stores.threads import DatabaseThread, is_connection_loss

logger = logging.getLogger("vkteams_bot.runtime")

STANDBY_SECONDS = 1.0


async def take_lease(lease: Lease, thread: DatabaseThread, alias: str) -> None:
    """Return when the lease is ours; meanwhile stand by."""
    announced = False
    while True:
        try:
            if await _taken(lease, thread):
                return
            if not announced:
                holder = await thread.run(lease.holder)
                logger.info("bot %s is polled by %s; standing by", alias, holder, extra={"bot": alias})
                announced = True
        except Exception as error:
            if not is_connection_loss(error):
                raise
            logger.warning("the database is away, waiting for it: %s", error, extra={"bot": alias})
        await asyncio.sleep(STANDBY_SECONDS)


async def _taken(lease: Lease, thread: DatabaseThread) -> bool:
    """When cancelled, what the thread may have taken meanwhile is given back."""
    try:
        return await thread.run(lease.take)
    except asyncio.CancelledError:
        try:
            await thread.run(lease.release)
        except Exception as error:
            if not is_connection_loss(error):
                raise
        raise


async def keep_lease(lease: Lease, thread: DatabaseThread) -> None:
    """Renew for ever. Raises LeaseLost when another process took over, as after a long database outage."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await thread.run(lease.renew)
        except Exception as error:
            if not is_connection_loss(error):
                raise
