"""What a process that has just taken the lease does before it polls."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vkteams_bot.api import Bot
from vkteams_bot.api.types import decode_event
from vkteams_bot.conf import conf
from vkteams_bot.fsm import StateKey, StateRecord, Strategy, key_for
from vkteams_bot.runtime.delivery import Delivery
from vkteams_bot.runtime.lanes import Lanes, QueuedUpdate
from vkteams_bot.stores.bot_store import BotStore
from vkteams_bot.stores.crossing import DatabaseThread
from vkteams_bot.stores.inbox import StoredUpdate

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
        found = await self._thread.run(self._store.recover, resend=conf.on_unknown == "resend")
        extra = {"bot": self._bot.alias}
        if found.unknown:
            logger.warning("%d replies were being sent when the last process died", found.unknown, extra=extra)
        if found.failed:
            logger.error("%d updates were running in three crashes and are marked failed", found.failed, extra=extra)
        _, calls = await self._thread.run(self._store.take_work, (), 10_000)
        if calls:
            logger.info("sending %d replies that were waiting", len(calls), extra=extra)
            await self._delivery.deliver_all(calls)
        await self._requeue_pending()

    async def _requeue_pending(self) -> None:
        after = count = 0
        while page := await self._thread.run(self._store.pending, after, PAGE):
            await self.requeue(page)
            after, count = page[-1].id, count + len(page)
            await self._lanes.wait_below(self._high_water)
        if count:
            logger.info("running %d updates that were waiting", count, extra={"bot": self._bot.alias})

    async def requeue(self, page: Sequence[StoredUpdate]) -> None:
        """Put stored updates into the lanes, with the states of their conversations."""
        queued: list[tuple[StateKey, QueuedUpdate]] = []
        for stored in page:
            event = decode_event(stored.raw, self._bot)
            if event.payload is None:  # stored by a version that could read it
                logger.error("a stored update cannot be read: %s", event.problem, extra={"update": stored.id})
                continue
            key = key_for(event.payload, self._bot.alias, self._strategy)
            queued.append((key, QueuedUpdate(stored.id, event, stored.suspect)))
        with self._lanes.held({key for key, _ in queued}) as wanted:
            states = await self._thread.run(self._store.load_states, wanted) if wanted else {}
            for key, update in queued:
                self._lanes.put(key, update, states.get(key) or StateRecord())
