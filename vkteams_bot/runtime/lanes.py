"""A FIFO per conversation: within one, work is done in order and one at a time; different ones run side by side."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from vkteams_bot.api.types import Event
from vkteams_bot.fsm import StateKey, StateRecord
from vkteams_bot.runtime.bot_store import WaitingReply


@dataclass(frozen=True, slots=True)
class QueuedUpdate:
    """A stored update that waits for its turn."""

    id: int
    event: Event
    suspect: bool = False


Work = QueuedUpdate | WaitingReply


@dataclass(slots=True, eq=False)
class Lane:
    """One conversation while it has work. `record` is its state as committed; None: not loaded yet.

    `surplus`: more of its updates wait in the database, behind `last_id`; `missed`: since it was looked there last.
    """

    key: StateKey
    record: StateRecord | None = None
    queue: deque[Work] = field(default_factory=deque)
    held: int = 0
    running: bool = False
    current: Work | None = None
    task: asyncio.Task[None] | None = None
    last_id: int = 0
    surplus: bool = False
    missed: bool = False

    def update_ids(self) -> set[int]:
        return {work.id for work in (*self.queue, self.current) if isinstance(work, QueuedUpdate)}


class Lanes:
    """Does `handle(lane, work)` for all work put in.

    A lane holds at most `longest` updates; the rest stays in the database, from where `refill(key, after, limit)`
    brings the next ones when the lane is empty, and says whether these are the last. `on_failure` hears of what ends a
    lane.
    """

    def __init__(
        self,
        handle: Callable[[Lane, Work], Awaitable[None]],
        *,
        refill: Callable[[StateKey, int, int], Awaitable[tuple[Sequence[QueuedUpdate], bool]]],
        on_failure: Callable[[BaseException], None],
        longest: int = 20,
    ) -> None:
        self._handle = handle
        self._refill = refill
        self._on_failure = on_failure
        self._longest = longest
        self._lanes: dict[StateKey, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._updates = 0
        self._replies = 0
        self._stopping = False
        self._moved = asyncio.Event()

    @property
    def size(self) -> int:
        """How many updates wait or run in the lanes."""
        return self._updates

    @property
    def is_idle(self) -> bool:
        """Nothing waits or runs, in the lanes or behind them."""
        return not (self._updates or self._replies or any(lane.surplus for lane in self._lanes.values()))

    def behind(self) -> list[str]:
        """Chats of which more updates wait than their lanes take."""
        return [lane.key.chat_id or lane.key.user_id for lane in self._lanes.values() if lane.surplus]

    def is_busy(self, key: StateKey) -> bool:
        """Something of this conversation waits or runs here."""
        return key in self._lanes and self._lanes[key].running

    def update_ids(self) -> set[int]:
        """Ids of all updates that wait or run here."""
        return set().union(*(lane.update_ids() for lane in self._lanes.values()))

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

    def put(self, key: StateKey, update: QueuedUpdate, record: StateRecord) -> bool:
        """Queue an update of a held conversation; False: its lane is full, and the update waits in the database.

        `record` counts only when its state was needed. One that is older than what the lane had already is always
        taken: the lane looks for newer ones only.
        """
        if self._stopping:
            return False
        lane = self._lanes[key]
        if lane.record is None:
            lane.record = record
        if update.id > lane.last_id and (lane.surplus or len(lane.queue) >= self._longest):
            lane.surplus = lane.missed = True
            return False
        self._add(lane, update)
        return True

    def put_reply(self, reply: WaitingReply) -> None:
        """Queue a reply that waits; what comes later in its conversation waits for it."""
        if not self._stopping:
            self._add(self._lanes.setdefault(reply.key, Lane(reply.key)), reply)

    def _add(self, lane: Lane, work: Work) -> None:
        lane.queue.append(work)
        if isinstance(work, QueuedUpdate):
            lane.last_id = max(lane.last_id, work.id)
        self._count(work, 1)
        if not lane.running:
            lane.running = True
            task = lane.task = asyncio.create_task(self._run(lane), name=f"conversation {lane.key.chat_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: Lane) -> None:
        try:
            while not self._stopping:
                if lane.queue:
                    lane.current = lane.queue.popleft()
                    await self._handle(lane, lane.current)
                    self._count(lane.current, -1)
                    lane.current = None
                    self._moved.set()
                elif lane.surplus:
                    await self._fill(lane)
                else:
                    break
        except Exception as error:  # the session ends with it, which logs it
            self._on_failure(error)
        finally:
            lane.running = False
            self._drop_if_idle(lane)

    async def _fill(self, lane: Lane) -> None:
        lane.missed = False
        updates, are_last = await self._refill(lane.key, lane.last_id, self._longest)
        for update in updates:
            lane.queue.append(update)
            lane.last_id = update.id
            self._count(update, 1)
        if are_last and not lane.missed:
            lane.surplus = False
            self._moved.set()

    def _count(self, work: Work, change: int) -> None:
        if isinstance(work, QueuedUpdate):
            self._updates += change
        else:
            self._replies += change

    def _drop_if_idle(self, lane: Lane) -> None:
        if not lane.held and not lane.running and not (lane.queue and not self._stopping):
            self._lanes.pop(lane.key, None)

    async def wait_below(self, limit: int) -> None:
        """Until fewer than `limit` updates wait or run in the lanes."""
        while self._updates >= limit:
            self._moved.clear()
            await self._moved.wait()

    async def wait_idle(self) -> None:
        """Until nothing waits or runs, in the lanes or behind them."""
        while not self.is_idle:
            self._moved.clear()
            await self._moved.wait()

    async def wait_for(self, update_id: int) -> None:
        """Until this update neither waits nor runs."""
        while update_id in self.update_ids():
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
