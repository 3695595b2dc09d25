"""EventQueue: the events of one bot until it acknowledges them (botapi.md §3.3)."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Any, NamedTuple

KEPT_WHEN_STATELESS = 10_000
LARGEST_ID = 2**63 - 1


class Entry(NamedTuple):
    position: int
    event: Any


class EventQueue:
    """Ids ascend by one. `stateless`: acknowledged events stay, for who asks with a smaller id."""

    def __init__(self, first_id: int) -> None:
        self.acknowledged = 0
        self._next_id = first_id
        self._entries: deque[Entry] = deque()
        self._handed_out = 0  # so many, from the left, were given to the bot at least once
        self._waiting: set[asyncio.Future[None]] = set()

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

    def take(self, last_event_id: int, limit: int, *, stateless: bool = False) -> list[Any]:
        """Acknowledge up to `last_event_id` and return what comes after it. Nothing is removed by being returned."""
        if last_event_id >= self._next_id:  # ids from elsewhere: nothing of ours is greater
            self._acknowledge(self._next_id - 1, stateless)
            return []
        self._acknowledge(last_event_id, stateless)
        if stateless:
            first = next((n for n, entry in enumerate(self._entries) if entry.position > last_event_id), None)
            first = len(self._entries) if first is None else first
        else:
            first = 0
        batch = [entry.event for entry in islice(self._entries, first, first + limit)]
        self._handed_out = max(self._handed_out, first + len(batch))
        return batch

    async def arrival(self, seconds: float) -> None:
        """Wait until something is added, `wake` is called, or the time is over."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait((future,), timeout=seconds)
        finally:
            self._waiting.discard(future)

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
        self._entries.append(Entry(position, event))
        self._next_id = position + 1
        if self._waiting:
            self.wake()

    def _acknowledge(self, event_id: int, stateless: bool) -> None:
        self.acknowledged = max(self.acknowledged, event_id)
        entries = self._entries
        spare = max(0, len(entries) - KEPT_WHEN_STATELESS) if stateless else len(entries)
        while spare and entries[0].position <= self.acknowledged:
            entries.popleft()
            spare -= 1
            self._handed_out = max(0, self._handed_out - 1)
