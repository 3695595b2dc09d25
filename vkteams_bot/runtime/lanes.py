"""A FIFO per conversation: within one, updates run in order and one at a time; different ones run side by side."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field

from vkteams_bot.api.types import Event
from vkteams_bot.fsm import StateKey, StateRecord


@dataclass(frozen=True, slots=True)
class QueuedUpdate:
    """A stored update that waits for its turn."""

    id: int
    event: Event
    suspect: bool = False


@dataclass(slots=True, eq=False)
class Lane:
    """One conversation while it has updates. `record` is its state as committed."""

    key: StateKey
    record: StateRecord | None = None
    queue: deque[QueuedUpdate] = field(default_factory=deque)
    held: int = 0
    running: bool = False
    current: QueuedUpdate | None = None


class Lanes:
    """Runs `handle(lane, update)` for every update put in."""

    def __init__(
        self,
        handle: Callable[[Lane, QueuedUpdate], Awaitable[None]],
        *,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._handle = handle
        self._on_failure = on_failure
        self._lanes: dict[StateKey, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._size = 0
        self._stopping = False
        self._moved = asyncio.Event()

    @property
    def size(self) -> int:
        """Updates waiting or running."""
        return self._size

    def ids(self) -> set[int]:
        """Of all updates waiting or running."""
        found = {update.id for lane in self._lanes.values() for update in lane.queue}
        return found | {lane.current.id for lane in self._lanes.values() if lane.current is not None}

    @contextlib.contextmanager
    def held(self, keys: Collection[StateKey]) -> Iterator[set[StateKey]]:
        """Keep these conversations' lanes while their states are loaded; yields the keys whose state is needed.

        Without it a lane could end after the decision not to load its state, or change it after the load.
        """
        lanes = [self._lanes.setdefault(key, Lane(key)) for key in keys]
        for lane in lanes:
            lane.held += 1
        try:
            yield {lane.key for lane in lanes if lane.record is None}
        finally:
            for lane in lanes:
                lane.held -= 1
                self._drop_if_idle(lane)

    def put(self, key: StateKey, update: QueuedUpdate, record: StateRecord) -> None:
        """Queue an update of a held conversation. `record` counts only when its state was needed."""
        if self._stopping:
            return
        lane = self._lanes[key]
        if lane.record is None:
            lane.record = record
        lane.queue.append(update)
        self._size += 1
        if not lane.running:
            lane.running = True
            task = asyncio.create_task(self._run(lane), name=f"conversation {key.chat_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: Lane) -> None:
        try:
            while lane.queue and not self._stopping:
                lane.current = lane.queue.popleft()
                await self._handle(lane, lane.current)
                lane.current = None
                self._size -= 1
                self._moved.set()
        except Exception as error:
            self._on_failure(error)
        finally:
            lane.running = False
            self._drop_if_idle(lane)

    def _drop_if_idle(self, lane: Lane) -> None:
        if not lane.held and not lane.running and not (lane.queue and not self._stopping):
            self._lanes.pop(lane.key, None)

    async def wait_below(self, limit: int) -> None:
        """Until fewer than `limit` updates wait or run."""
        while self._size >= limit:
            self._moved.clear()
            await self._moved.wait()

    async def stop(self, seconds: float) -> int:
        """Start nothing more, let what runs finish for at most `seconds`, then cancel; how many were cancelled."""
        self._stopping = True
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=5)
        return len(late)
