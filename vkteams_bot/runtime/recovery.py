"""What a process that has just taken the lease does before it polls."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

from vkteams_bot.api import Bot
from vkteams_bot.api.types import decode_event
from vkteams_bot.conf import conf
from vkteams_bot.fsm import StateKey, StateRecord, Strategy, key_for
from vkteams_bot.models import Update
from vkteams_bot.runtime.delivery import Delivery
from vkteams_bot.runtime.lanes import Lanes, QueuedUpdate
from vkteams_bot.stores.bot_store import BotStore, Changes
from vkteams_bot.stores.inbox import Finished, StoredUpdate
from vkteams_bot.stores.threads import DatabaseThread

logger = logging.getLogger("vkteams_bot.runtime")

PAGE = 200


class Recovery:
    """Sends what was committed but not sent, then runs what was stored but not finished, in order."""

    def __init__(
        self,
        bot: Bot,
        store: BotStore,
        thread: DatabaseThread,
        lanes: Lanes,
        delivery: Delivery,
        *,
        strategy: Strategy,
        high_water: int,
    ) -> None:
        self._bot = bot
        self._store = store
        self._thread = thread
        self._lanes = lanes
        self._delivery = delivery
        self._strategy = strategy
        self._high_water = high_water

    async def run(self) -> None:
        """Returns when all that waited is in the lanes: new updates queue behind it."""
        found = await self._thread.run_with_retry(partial(self._store.recover, resend=conf.on_unknown == "resend"))
        extra = {"bot": self._bot.alias}
        if found.unknown:
            logger.warning("%d replies were being sent when the last process died", found.unknown, extra=extra)
        if found.failed:
            logger.error("%d updates were running in three crashes and are marked failed", found.failed, extra=extra)
        _, calls = await self._thread.run_with_retry(partial(self._store.take_work, (), 10_000))
        if calls:
            logger.info("sending %d replies that were waiting", len(calls), extra=extra)
            await self._delivery.deliver_all(calls)
        await self._run_crashing()
        await self._requeue_pending()

    async def _run_crashing(self) -> None:
        """One of these may kill the process: each runs alone, so that the next start knows which did."""
        crashing = await self._thread.run_with_retry(self._store.crashing)
        if crashing:
            logger.warning("%d updates were running in three crashes; each runs alone now", len(crashing))
        for update in crashing:
            await self.requeue([update])
            await self._lanes.wait_below(1)

    async def _requeue_pending(self) -> None:
        after = count = 0
        while page := await self._thread.run_with_retry(partial(self._store.pending, after, PAGE)):
            await self.requeue(page)
            after, count = page[-1].id, count + len(page)
            await self._lanes.wait_below(self._high_water)
        if count:
            logger.info("running %d updates that were waiting", count, extra={"bot": self._bot.alias})

    async def requeue_lost(self) -> None:
        """Put into the lanes what waits in the database and stands in none of them."""
        after = 0
        held = self._lanes.ids()  # one of these may be done by the time that the page is here
        while page := await self._thread.run_with_retry(partial(self._store.pending, after, PAGE)):
            held |= self._lanes.ids()
            await self.requeue([update for update in page if update.id not in held])
            after = page[-1].id

    async def requeue(self, page: Sequence[StoredUpdate]) -> None:
        """Put stored updates into the lanes, with the states of their conversations."""
        queued: list[tuple[StateKey, QueuedUpdate]] = []
        unreadable: list[Finished] = []
        for stored in page:
            event = decode_event(stored.raw, self._bot)
            if event.payload is None:  # stored by a version that could read it
                logger.error("a stored update cannot be read: %s", event.problem, extra={"update": stored.id})
                unreadable.append(Finished(stored.id, Update.Status.INVALID, error=event.problem or ""))
                continue
            key = key_for(event.payload, self._bot.alias, self._strategy)
            queued.append((key, QueuedUpdate(stored.id, event, stored.suspect)))
        if unreadable:
            await self._thread.run_with_retry(partial(self._store.commit, Changes(finished=unreadable)))
        with self._lanes.held({key for key, _ in queued}) as wanted:
            states = await self._thread.run_with_retry(partial(self._store.load_states, wanted)) if wanted else {}
            for key, update in queued:
                self._lanes.put(key, update, states.get(key) or StateRecord())
