"""EventQueue: the events of one bot until it acknowledges them (botapi.md §3.3)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

KEPT_ACKNOWLEDGED = 10_000
LARGEST_ID = 2**63 - 1


class Entry(NamedTuple):
    position: int
    event: Any
    time: float


class EventQueue:
    """Ids ascend by one."""

    def __init__(self, first_id: int, clock: Callable[[], float] = time.time) -> None:
        self.acknowledged = 0
        self.turn = 0
        self._clock = clock
        self._next_id = first_id
        self._entries: deque[Entry] = deque()
        self._handed_out = 0  # so many, from the left, were given to the bot at least once
        self._waiting: dict[asyncio.Future[None], None] = {}  # who waits longest comes first

    @property
    def next_id(self) -> int:
        return self._next_id

    @property
    def pending(self) -> int:
        """How many the bot has never been given."""
        return len(self._entries) - self._handed_out

    @property
    def unacknowledged(self) -> int:
        """How many it was given and has not acknowledged."""
        return sum(entry.position > self.acknowledged for entry in islice(self._entries, self._handed_out))

    def put(self, kind: str, payload: Any) -> int:
        """Add an event and return its id."""
        event_id = self._next_id
        self._append(event_id, {"eventId": event_id, "type": kind, "payload": payload})
        return event_id

    def put_raw(self, event: Any, *, with_id: bool = True) -> None:
        """Add anything. An object without `eventId` gets the next one, unless `with_id` is false.

        What has no usable id of its own comes with every batch until a later event is acknowledged.
        """
        position = self._next_id
        if isinstance(event, dict):
            own = event.get("eventId")
            if isinstance(own, int) and not isinstance(own, bool) and position <= own < LARGEST_ID:
                position = own
            elif with_id and "eventId" not in event:
                event = {"eventId": position, **event}
        self._append(position, event)

    def take(
        self,
        last_event_id: int,
        limit: int,
        *,
        stateless: bool = False,
        zero_keeps: bool = False,
        ignore_beyond: bool = False,
        fresh: bool = False,
    ) -> list[Any]:
        """Acknowledge up to `last_event_id` and return what comes after it. Nothing is removed by being returned.

        `stateless`: acknowledged events stay, for who asks with a smaller id; `zero_keeps`: for who asks with 0.
        `ignore_beyond`: an id above the newest acknowledges nothing. `fresh`: only what was never returned.
        """
        keep = stateless or zero_keeps
        if last_event_id >= self._next_id:  # ids from elsewhere: nothing of ours is greater
            if not ignore_beyond:
                self._acknowledge(self._next_id - 1, keep)
                return []
            last_event_id = self.acknowledged
        self._acknowledge(last_event_id, keep)
        first = 0
        if keep:
            after = last_event_id if stateless or last_event_id == 0 else self.acknowledged
            later = (number for number, entry in enumerate(self._entries) if entry.position > after)
            first = next(later, len(self._entries))
        if fresh:
            first = max(first, self._handed_out)
        batch = [entry.event for entry in islice(self._entries, first, first + limit)]
        self._handed_out = max(self._handed_out, first + len(batch))
        return batch

    def forget(self, *, keep_events: int, keep_seconds: float) -> None:
        """Drop the oldest events beyond a number and an age in seconds; 0 is without end."""
        oldest = self._clock() - keep_seconds
        while self._entries and (
            (keep_events and len(self._entries) > keep_events) or (keep_seconds and self._entries[0].time < oldest)
        ):
            self._drop_oldest()

    def end_polls(self) -> None:
        """End those that wait now: `turn` is another one for them."""
        self.turn += 1
        self.wake()

    async def arrival(self, seconds: float) -> None:
        """Wait until something is added, `wake` is called, or the time is over."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        try:
            await asyncio.wait((future,), timeout=seconds)
        finally:
            del self._waiting[future]

    def wake(self) -> None:
        """End all waiting."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def clear(self, first_id: int) -> None:
        """Forget everything; ids go on ascending."""
        self._entries.clear()
        self._handed_out = 0
        self._next_id = max(self._next_id, first_id)
        self.acknowledged = 0

    def _append(self, position: int, event: Any) -> None:
        self._entries.append(Entry(position, event, self._clock()))
        self._next_id = position + 1
        if self._waiting:
            self.wake()

    def _acknowledge(self, event_id: int, keep: bool) -> None:
        self.acknowledged = max(self.acknowledged, event_id)
        spare = max(0, len(self._entries) - KEPT_ACKNOWLEDGED) if keep else len(self._entries)
        while spare and self._entries[0].position <= self.acknowledged:
            self._drop_oldest()
            spare -= 1

    def _drop_oldest(self) -> None:
        self._entries.popleft()
        self._handed_out = max(0, self._handed_out - 1)
