"""What an operator asked for in the admin: updates to run again, calls to send again. Two reads a second."""

from __future__ import annotations

import asyncio
import logging

from vkteams_bot.runtime.delivery import Delivery
from vkteams_bot.runtime.recovery import Recovery
from vkteams_bot.stores.bot_store import BotStore
from vkteams_bot.stores.outbox import StoredCall
from vkteams_bot.stores.threads import DatabaseThread, is_connection_loss

logger = logging.getLogger("vkteams_bot.runtime")

SWEEP_SECONDS = 1.0
AT_ONCE = 100


class Sweep:
    """Looks for rows that became due by hand."""

    def __init__(self, store: BotStore, thread: DatabaseThread, recovery: Recovery, delivery: Delivery) -> None:
        self._store = store
        self._thread = thread
        self._recovery = recovery
        self._delivery = delivery

    async def run(self) -> None:
        """For ever. Raises LeaseLost."""
        uncertain = False
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(SWEEP_SECONDS)
                try:
                    if uncertain:  # what was taken may have been committed without an answer
                        await self._recovery.requeue_lost()
                        uncertain = False
                    _, calls = await self.look()
                except Exception as error:
                    if not is_connection_loss(error):
                        raise
                    uncertain = True
                    continue
                if calls:
                    group.create_task(self._delivery.deliver_all(calls), name="calls sent again")

    async def look(self) -> tuple[int, list[StoredCall]]:
        """Queue what is to run again; how many, and the calls that the caller now has to deliver. Raises LeaseLost."""
        known = set(self._delivery.known)
        if not await self._thread.run(self._store.has_work, known):
            return 0, []
        updates, calls = await self._thread.run(self._store.take_work, known, AT_ONCE)
        if updates:
            logger.info("running %d updates again", len(updates))
            await self._recovery.requeue(updates)
        if calls:
            logger.info("sending %d calls again", len(calls))
            self._delivery.known.update(call.id for call in calls)
        return len(updates), calls
