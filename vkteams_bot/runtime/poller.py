"""The poller: long-polls, stores, acknowledges by the next poll, and feeds the lanes. One at a time per bot."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Collection, Mapping, Sequence

from django.db import DataError, Error, IntegrityError, OperationalError

from vkteams_bot.api import Bot
from vkteams_bot.api.methods import GetEvents
from vkteams_bot.api.redaction import redact
from vkteams_bot.api.types import Event
from vkteams_bot.backoff import EMPTY_POLL, SERVER, Backoff
from vkteams_bot.exceptions import CallError, InvalidToken
from vkteams_bot.fsm import StateKey, StateRecord, Strategy, key_for
from vkteams_bot.runtime.backlog import Backlog
from vkteams_bot.runtime.bot_store import BotStore, Ingested
from vkteams_bot.runtime.lanes import Lanes, QueuedUpdate
from vkteams_bot.stores.conditions import Conditions
from vkteams_bot.stores.inbox import Incoming, event_number
from vkteams_bot.stores.threads import DatabaseThread

logger = logging.getLogger("vkteams_bot.runtime")

# A server that answers at once with nothing new must not be asked in a tight loop.
QUICK_SECONDS = 0.25
MARGIN_SECONDS = 60.0
LONGEST_SILENCE = 3600.0
LONGEST_UNREADABLE = 50_000
# The data is at fault, not the database: waiting would not help.
UNSTORABLE = (DataError, IntegrityError, ValueError, OverflowError, RecursionError)


class Unreadable(dict[str, str]):
    """Stands for an event that the database would not take."""


class PollingStuck(RuntimeError):
    """No poll came back for far longer than it may take."""


class Numbering:
    """Whether the server is known to number its events as before. While it is not, polls ask from 0.

    That acknowledges nothing, and shows a server's events whatever their ids are; a server that is as it was shows what
    was not acknowledged, or keeps silent until there is something new. So it is asked at the start, after a failed
    poll, and when nothing came for `silence` seconds; for twice as long when it only showed again what was stored.
    """

    def __init__(self, silence: float) -> None:
        self._shortest = self._silence = silence
        self._since = time.monotonic()
        self.is_known = False

    def doubt(self) -> None:
        """The server may have become another one."""
        self.is_known = False

    def heard(self, *, fresh: bool) -> None:
        """Events came, whether fresh ones or again."""
        self._silence = self._shortest if fresh else min(2 * self._silence, LONGEST_SILENCE)
        self._since = time.monotonic()
        self.is_known = True

    def heard_nothing(self) -> None:
        """A poll was empty."""
        if time.monotonic() - self._since >= self._silence:
            self.is_known = False


class Poller:
    """Polls while the lease is held.

    While `high_water` updates are in the lanes it waits, for at most `patience` seconds: then what it stores waits in
    the database, and the server is asked all the same. After `silence` seconds without events it is asked whether it
    numbers them as before.
    """

    def __init__(
        self,
        bot: Bot,
        store: BotStore,
        thread: DatabaseThread,
        lanes: Lanes,
        backlog: Backlog,
        conditions: Conditions,
        *,
        strategy: Strategy,
        high_water: int,
        patience: float = 2.0,
        silence: float = 60.0,
        backoff: Backoff = SERVER,
        empty_backoff: Backoff = EMPTY_POLL,
    ) -> None:
        self._bot = bot
        self._store = store
        self._thread = thread
        self._lanes = lanes
        self._backlog = backlog
        self._conditions = conditions
        self._strategy = strategy
        self._high_water = high_water
        self._patience = patience
        self._backoff = backoff
        self._empty_backoff = empty_backoff
        self._offset = 0
        self._numbering = Numbering(silence)
        self.last_round_trip = time.monotonic()
        """When a poll last came back, with whatever answer: what `watch` looks at."""
        self._answered_at: float | None = None

    def answered_ago(self) -> float | None:
        """How many seconds ago a poll was answered; None: none was yet. In any thread."""
        return None if self._answered_at is None else time.monotonic() - self._answered_at

    async def run(self) -> None:
        """For ever. Raises LeaseLost, or InvalidToken."""
        self._offset = await self._thread.run_with_retry(self._store.offset)
        failures = empty = 0
        while True:
            await self._wait_for_lanes()
            started = time.monotonic()
            try:
                events = await self._poll(self._bot.poll_time)
            except CallError as error:
                failures += 1
                self._numbering.doubt()
                await self._failed(error, failures)
                continue
            failures = 0
            self._conditions.end("poll_failed")
            fresh = await self._take_in(events)
            # A poll time of 0 is a wish for short polls: they get the same pauses.
            if fresh or time.monotonic() - started > QUICK_SECONDS:
                empty = 0
            else:
                empty += 1
                await asyncio.sleep(self._empty_backoff.pause(empty))

    async def watch(self) -> None:
        """For ever. Raises PollingStuck, so that the process ends and its supervisor starts another."""
        limit = self._bot.poll_time + 2 * self._bot.timeout + self._backoff.longest + self._patience + MARGIN_SECONDS
        while True:
            await asyncio.sleep(min(limit / 4, 15))
            silent = time.monotonic() - self.last_round_trip
            if silent > limit:
                raise PollingStuck(f"no poll came back for {silent:.0f} s")

    async def _wait_for_lanes(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._lanes.wait_below(self._high_water)
        except TimeoutError:
            return

    async def skip_backlog(self) -> int:
        """Take in and skip all that the server holds; how many. Raises CallError."""
        self._offset = await self._thread.run_with_retry(self._store.offset)
        skipped = 0
        while True:
            was_known = self._numbering.is_known
            events = await self._reviewed(await self._poll(0))
            fresh = 0
            if events:
                stored = await self._store_batch([self._incoming(event, skip=True) for event in events], ())
                fresh = len(stored.ids)
            skipped += fresh
            if not fresh and was_known is self._numbering.is_known:
                return skipped

    async def take_waiting(self) -> int:
        """One short poll: take in what the server holds now; how many. Raises CallError."""
        return await self._take_in(await self._poll(0))

    async def _poll(self, poll_seconds: int) -> list[Event]:
        after = self._offset if self._numbering.is_known else 0
        try:
            events = await self._bot.execute(GetEvents(after, poll_seconds), retries=0)
            self._answered_at = time.monotonic()
            return events
        finally:
            self.last_round_trip = time.monotonic()

    async def _failed(self, error: CallError, failures: int) -> None:
        if isinstance(error, InvalidToken):
            raise error
        pause = self._backoff.pause(failures)
        logger.debug("poll %d failed, next in %.1f s: %s", failures, pause, error, extra={"bot": self._bot.alias})
        self._conditions.begin("poll_failed", error=str(error))
        if failures == 1:
            await self._note(str(error))
        await asyncio.sleep(pause)

    async def _note(self, text: str) -> None:
        try:
            await self._thread.run(self._store.note_error, text)
        except Error as error:  # also a statement timeout of the project's: polling goes on
            logger.warning("the poll's error is not noted: %s", error, extra={"bot": self._bot.alias})

    async def _reviewed(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those to be stored, also when their numbering has begun anew: `_offset` is 0 then."""
        numbers = [event.event_id for event in events if event.event_id is not None]
        if not numbers:
            if not events:
                self._numbering.heard_nothing()
            return events
        if min(numbers) > self._offset:
            self._numbering.heard(fresh=True)
            return events
        try:
            review = await self._thread.run_with_retry(lambda: self._store.review(events, self._offset))
        except Error as error:  # no outage: they stay with the server, and come again
            logger.warning("a poll's answer could not be judged: %s", error, extra={"bot": self._bot.alias})
            self._numbering.doubt()
            return ()
        self._numbering.heard(fresh=review.anew or bool(review.events))
        if review.anew:
            logger.warning(
                "the server has begun to number its events anew: they were at %d, now they come from %d. The bot goes "
                "on from there; what it shows again is not handled again",
                self._offset,
                min(numbers),
                extra={"bot": self._bot.alias, "condition": "events_reset"},
            )
            self._offset = 0
            self._store.epoch += 1  # in the database with the first of these events
        return review.events

    async def _take_in(self, events: Sequence[Event]) -> int:
        """Store a batch and queue what is new; how many."""
        events = await self._reviewed(events)
        if not events:
            return 0
        incoming = [self._incoming(event) for event in events]
        with self._lanes.held({item.key for item in incoming if item.key is not None}) as wanted:
            stored = await self._store_batch(incoming, wanted)
            fresh = len(stored.ids)
            for item in incoming:
                update_id = stored.ids.pop(event_number(item.event), None)
                if update_id is not None:
                    self._queue(item, update_id, stored.states)
        return fresh

    def _queue(self, item: Incoming, update_id: int, states: Mapping[StateKey, StateRecord]) -> None:
        if item.key is None:
            logger.warning("an event was not understood: %s", item.event.problem, extra={"update": update_id})
            return
        if self._lanes.size >= self._high_water:
            self._backlog.leave()
        elif self._backlog.passes(update_id):
            record = states.get(item.key) or StateRecord()
            self._lanes.put(item.key, QueuedUpdate(update_id, item.event), record)

    def _incoming(self, event: Event, *, skip: bool = False) -> Incoming:
        key = key_for(event.payload, self._bot.alias, self._strategy) if event.payload is not None else None
        return Incoming(event, key, skip)

    async def _store_batch(self, incoming: Sequence[Incoming], wanted: Collection[StateKey]) -> Ingested:
        """Store until it is stored: the batch is acknowledged by the next poll, so it must not be dropped."""
        numbers = [item.event.event_id for item in incoming if item.event.event_id is not None]
        offset = max([self._offset, *numbers])
        before = self._offset
        tries = itertools.count()
        failures = 0
        while True:
            try:
                stored = await self._thread.run_with_retry(
                    lambda: self._store.ingest(incoming, offset, wanted, tried_after=before if next(tries) else None)
                )
            except UNSTORABLE as error:
                return await self._store_one_by_one(incoming, wanted, error)
            except OperationalError as error:  # no outage: a statement timeout of the project's, or a lock that is held
                failures += 1
                if failures == 1:
                    logger.exception("events could not be stored and are tried again", extra={"bot": self._bot.alias})
                self._conditions.begin("store_failed", error=str(error).strip())
                await self._note(f"events could not be stored: {error}")
                await asyncio.sleep(self._backoff.pause(failures))
            else:
                self._offset = offset
                self._conditions.end("store_failed")
                return stored

    async def _store_one_by_one(
        self, incoming: Sequence[Incoming], wanted: Collection[StateKey], error: Exception
    ) -> Ingested:
        """One event that the database does not take must not cost the others: it is stored as text, and not handled."""
        if len(incoming) == 1:
            event = incoming[0].event
            if isinstance(event.raw, Unreadable):
                raise error
            logger.error("an event cannot be stored as it is", exc_info=error)
            problem = redact(f"the event could not be stored as it is: {error}")
            raw = Unreadable(unreadable=repr(event.raw)[:LONGEST_UNREADABLE])
            await self._store_batch([Incoming(Event(event_number(event), event.type, raw, None, problem), None)], ())
            return Ingested({}, {})
        together = Ingested({}, {})
        for item in incoming:
            stored = await self._store_batch([item], wanted)
            together.ids.update(stored.ids)
            together.states.update(stored.states)
        return together
