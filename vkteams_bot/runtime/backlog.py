"""What waits in the database and stands in no lane: brought into the lanes in order, beside polling, never before it.

After a start that is all that the process before left: replies first, then updates. Later it is what the poller stored
while the lanes were full, and what an operator asked for. While something waits here, what the poller stores waits
behind it; once nothing does, the poller puts updates into the lanes itself (`caught_up`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db import Error

from vkteams_bot.api import Bot
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.backoff import SERVER, Backoff
from vkteams_bot.fsm import StateKey, StateRecord, Strategy, key_for
from vkteams_bot.models import Update
from vkteams_bot.runtime.bot_store import BotStore, Changes, WaitingReply
from vkteams_bot.runtime.lanes import Lanes, QueuedUpdate
from vkteams_bot.runtime.replies import ReplyDelivery
from vkteams_bot.stores.conditions import Conditions
from vkteams_bot.stores.inbox import Finished, StoredUpdate
from vkteams_bot.stores.outages import is_outage
from vkteams_bot.stores.threads import DatabaseThread

logger = logging.getLogger("vkteams_bot.runtime")

T = TypeVar("T")


class Backlog:
    """Of one bot that holds its lease.

    `high_water`: no page is read while more work than that is in the lanes. `look_seconds`: how often it looks for what
    an operator asked for. `alone_seconds`: an update that was running in crashes runs alone for so long, all together
    for `all_alone_seconds`; then the others go on beside it. `alone`: shared by the bots of a process, of which one at
    a time runs an update alone.
    """

    def __init__(
        self,
        bot: Bot,
        store: BotStore,
        thread: DatabaseThread,
        lanes: Lanes,
        delivery: ReplyDelivery,
        conditions: Conditions,
        *,
        strategy: Strategy,
        high_water: int,
        page: int = 200,
        alone_seconds: float = 30.0,
        all_alone_seconds: float = 60.0,
        look_seconds: float = 1.0,
        backoff: Backoff = SERVER,
        alone: asyncio.Lock | None = None,
    ) -> None:
        self._bot = bot
        self._store = store
        self._thread = thread
        self._lanes = lanes
        self._delivery = delivery
        self._conditions = conditions
        self._strategy = strategy
        self._high_water = high_water
        self._page = page
        self._alone_seconds = alone_seconds
        self._all_alone_seconds = all_alone_seconds
        self._look_seconds = look_seconds
        self._alone = alone or asyncio.Lock()
        self._backoff = backoff
        self._after = 0
        """All updates up to this id were offered to the lanes, but for what an operator asked for since."""
        self._missed = False
        self._waits = asyncio.Event()
        self._offering = asyncio.Lock()
        """What is read from the database is in the lanes before anybody reads there again: nothing is taken twice."""
        self._extra = {"bot": bot.alias}
        self.caught_up = False
        """Nothing waits here that is older than what the poller stores now."""

    def leave(self) -> None:
        """The poller has stored updates that it did not put into the lanes."""
        self._missed = True
        self.caught_up = False
        self._waits.set()

    def passes(self, update_id: int) -> bool:
        """Whether the poller is to put an update into its lane that it has just stored; else it comes from here.

        Or it has come already: of a batch that is stored one by one, the first may be read here before the last is
        stored.
        """
        if not self.caught_up:
            self.leave()
            return False
        if update_id <= self._after:
            return False
        self._after = update_id
        return True

    async def run(self) -> None:
        """For ever. Raises LeaseLost."""
        await self._recover()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed_for_ever(), name="backlog")
            group.create_task(self._look_for_ever(), name="operators")

    async def _recover(self) -> None:
        recovered = await self._repeated(partial(self._thread.run_with_retry, self._store.recover))
        if recovered.unknown:
            logger.warning(
                "%d replies were being sent when the last process died", recovered.unknown, extra=self._extra
            )
        if recovered.failed:
            logger.error(
                "%d updates killed the process twice while they ran alone and are marked failed",
                recovered.failed,
                extra=self._extra,
            )
        replies, after = 0, None
        while page := await self._repeated(partial(self._queue_replies, after)):
            replies, after = replies + len(page), page[-1].flight.call.id
        if replies:
            logger.info("sending %d replies that were waiting", replies, extra=self._extra)
        crashing = await self._repeated(partial(self._thread.run_with_retry, self._store.crashing))
        if crashing:
            self._conditions.begin("suspects_alone", count=len(crashing))
            await self._run_crashing(crashing)
            self._conditions.end("suspects_alone")

    async def _run_crashing(self, crashing: Sequence[StoredUpdate]) -> None:
        """One of these may kill the process: each runs alone, so that the next start knows which did.

        Polling goes on and only stores; what operators ask for waits as well. A conversation in which a reply still
        waits for its turn has its suspect run later, beside the others, so that the order stays.
        """
        until = time.monotonic() + self._all_alone_seconds
        with contextlib.suppress(TimeoutError):  # replies that wait: they are before the updates of their conversations
            async with asyncio.timeout(self._alone_seconds):
                await self._lanes.wait_idle()
        left_out: set[StateKey] = set()
        for update in crashing:
            decoded = await self._repeated(partial(self._decode, [update]))
            keys = {key for key, _ in decoded}
            left_out |= {key for key in keys if self._lanes.is_busy(key)}
            if not keys - left_out:
                continue
            async with self._alone:
                if time.monotonic() >= until or await self._run_alone(update.id, decoded):
                    return

    async def _run_alone(self, update_id: int, decoded: Sequence[tuple[StateKey, QueuedUpdate]]) -> bool:
        """Whether it still runs when its time is over; then all others go on beside it."""
        await self._repeated(partial(self._thread.run_with_retry, partial(self._store.start_alone, update_id)))
        await self._repeated(partial(self._queue, decoded))
        try:
            async with asyncio.timeout(self._alone_seconds):
                await self._lanes.wait_for(update_id)
            is_late = False
        except TimeoutError:
            is_late = True
        # An update whose outcome could not be written has left its lane unfinished, and is not alone any more either.
        is_open = await self._repeated(partial(self._thread.run_with_retry, partial(self._store.end_alone, update_id)))
        if is_late and is_open:
            logger.warning(
                "update %d still runs after %.0f s alone; the others go on beside it",
                update_id,
                self._alone_seconds,
                extra=self._extra | {"update": update_id},
            )
        return is_late and is_open

    async def _feed_for_ever(self) -> None:
        while True:
            await self._repeated(self.feed)
            await self._waits.wait()

    async def _repeated(self, work: Callable[[], Awaitable[T]]) -> T:
        """Until it succeeds. A lost database the work waits for itself; polling goes on meanwhile."""
        failures = 0
        while True:
            try:
                return await work()
            except Error:  # no outage: a statement timeout of the project's, or a lock that is held
                failures += 1
                logger.exception("what waits could not be read and is tried again", extra=self._extra)
                await asyncio.sleep(self._backoff.pause(failures))

    async def feed(self) -> None:
        """Bring in page by page what waits, until nothing does."""
        self._waits.clear()
        count = 0
        while not self.caught_up:
            await self._lanes.wait_below(self._high_water)
            async with self._offering:
                count += await self._offer_page()
        if count:
            logger.info("running %d updates that were waiting", count, extra=self._extra)

    async def _offer_page(self) -> int:
        self._missed = False
        in_lanes = self._lanes.update_ids()  # one of these may be done by the time that the page is here
        page = await self._thread.run_with_retry(partial(self._store.pending, self._after, self._page))
        if page:
            in_lanes |= self._lanes.update_ids()
            await self.requeue([update for update in page if update.id not in in_lanes])
            self._after = page[-1].id
        else:
            self.caught_up = not self._missed
        return len(page)

    async def _look_for_ever(self) -> None:
        uncertain = False
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                if uncertain:  # what was taken may have been committed without an answer
                    async with self._offering:
                        self._after = 0
                        self.leave()
                    uncertain = False
                await self.look()
            except Error as error:  # also a statement timeout of the project's: the next look may succeed
                level = logging.DEBUG if is_outage(error) else logging.WARNING
                logger.log(level, "it could not be looked for what operators asked: %s", error, extra=self._extra)
                uncertain = True

    async def look(self) -> int:
        """Queue what an operator asked for: updates to run again, replies to send again; how many. Raises LeaseLost."""
        if not await self._thread.run(self._store.has_work, set(self._delivery.known)):
            return 0
        async with self._offering:
            updates = await self._thread.run(self._store.take_retried, self._page)
            if updates:
                logger.info("running %d updates again", len(updates), extra=self._extra)
                await self.requeue(updates)
                if self.caught_up:
                    self._after = max(self._after, updates[-1].id)
        replies = await self._queue_replies(None)
        if replies:
            logger.info("sending %d calls again", len(replies), extra=self._extra)
        return len(updates) + len(replies)

    async def _queue_replies(self, after: UUID | None) -> Sequence[WaitingReply]:
        """A page of waiting replies, those beyond `after`, goes into the lanes of their conversations."""
        known = set(self._delivery.known) if after is None else set()
        page = await self._thread.run_with_retry(partial(self._store.waiting_replies, known, self._page, after=after))
        # While they were read a handler may have stored one of these, and sends it itself.
        replies = [reply for reply in page if reply.flight.call.id not in self._delivery.known]
        for reply in replies:
            self._delivery.known.add(reply.flight.call.id)
            self._lanes.put_reply(reply)
        return replies

    async def requeue(self, page: Sequence[StoredUpdate]) -> None:
        """Put stored updates into the lanes, with the states of their conversations."""
        await self._queue(await self._decode(page))

    async def _queue(self, decoded: Sequence[tuple[StateKey, QueuedUpdate]]) -> None:
        with self._lanes.held({key for key, _ in decoded}) as wanted:
            states: dict[StateKey, Any] = {}
            if wanted:
                states = await self._thread.run_with_retry(partial(self._store.load_states, wanted))
            for key, update in decoded:
                self._lanes.put(key, update, states.get(key) or StateRecord())

    async def refill(self, key: StateKey, after: int, limit: int) -> tuple[Sequence[QueuedUpdate], bool]:
        """The next updates of one conversation whose lane has run empty, and whether these are the last.

        Not beyond what was offered to the lanes already: the rest comes in its order, also what the poller has just
        stored and is about to offer.
        """
        page = await self._thread.run_with_retry(partial(self._store.pending_of, key, after, self._after, limit))
        return [update for _, update in await self._decode(page)], len(page) < limit

    async def _decode(self, page: Sequence[StoredUpdate]) -> list[tuple[StateKey, QueuedUpdate]]:
        decoded: list[tuple[StateKey, QueuedUpdate]] = []
        unreadable: list[Finished] = []
        for stored in page:
            event = decode_event(stored.raw, self._bot)
            if event.payload is None:  # stored by a version that could read it
                logger.error("a stored update cannot be read: %s", event.problem, extra={"update": stored.id})
                unreadable.append(Finished(stored.id, Update.Status.INVALID, error=event.problem or ""))
                continue
            key = key_for(event.payload, self._bot.alias, self._strategy)
            decoded.append((key, QueuedUpdate(stored.id, event, stored.suspect)))
        if unreadable:
            await self._thread.run_with_retry(partial(self._store.commit, Changes(finished=unreadable)))
        return decoded
