"""The watch over one bot: what makes people wait is told, and handlers that run too long are ended."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from vkteams_bot.runtime.handler import Running, UpdateHandler
from vkteams_bot.runtime.lanes import Lanes
from vkteams_bot.runtime.replies import ReplyDelivery
from vkteams_bot.stores.conditions import Conditions
from vkteams_bot.stores.threads import HandlerThreads

MOST_NAMED = 3
MOST_REPORTED = 20


class Watch:
    """Looks every `look_seconds`. A state is told when it has lasted for `patience` seconds.

    A handler is told of after `slow_seconds`, but for one whose flag `timeout` says that it takes long.
    """

    def __init__(
        self,
        conditions: Conditions,
        handler: UpdateHandler,
        threads: HandlerThreads,
        lanes: Lanes,
        delivery: ReplyDelivery,
        *,
        high_water: int,
        patience: float = 4.0,
        slow_seconds: float = 8.0,
        look_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._conditions = conditions
        self._handler = handler
        self._threads = threads
        self._lanes = lanes
        self._delivery = delivery
        self._high_water = high_water
        self._patience = patience
        self._slow_seconds = slow_seconds
        self._look_seconds = look_seconds
        self._clock = clock
        self._began: dict[str, float] = {}
        conditions.busy = self.busy

    def busy(self) -> list[tuple[str, int, str, float]]:
        """Handlers that have been running for longer than `patience`, the longest first; any thread may ask."""
        limit = self._clock() - self._patience
        found = [(lane, item) for lane, item in list(self._handler.running.items()) if item.since < limit]
        found.sort(key=lambda pair: pair[1].since)
        return [(item.name, item.update.id, lane.key.chat_id, item.since) for lane, item in found[:MOST_REPORTED]]

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._look_seconds)
            self.look()

    def look(self) -> None:
        """Once."""
        now = self._clock()
        running = list(self._handler.running.items())
        for lane, item in running:
            if lane.task is not None:
                item.end_if_late(lane.task, now)
        handlers = [item for _, item in running]
        slow = [item for item in handlers if now - item.since > self._slow_seconds and not item.is_long_by_intent]
        self._conditions.note("handler_slow", bool(slow), handlers=self._names(slow, now))
        slots, threads, named = self._handler.slots, self._threads, self._names(handlers, now)
        self._lasting("slots_full", slots.waiting > 0, count=slots.count, handlers=named)
        self._lasting("threads_full", threads.waiting > 0, count=threads.count, handlers=named)
        self._lasting("lanes_full", self._lanes.size >= self._high_water, count=self._lanes.size)
        behind = self._lanes.behind()
        self._lasting("conversation_behind", bool(behind), count=len(behind), chats=_some(behind))
        refused = self._handler.refused
        self._lasting("connection_refused", bool(refused), count=len(refused), error=next(iter(refused.values()), ""))
        repeated = self._delivery.repeated
        self._lasting("replies_repeated", bool(repeated), count=len(repeated), error=next(iter(repeated.values()), ""))
        waiting = len(self._delivery.waiting_turn)
        self._lasting("rate_limited", waiting > 0, count=waiting)

    def _lasting(self, key: str, lasts: bool, **values: Any) -> None:
        now = self._clock()
        if not lasts:
            self._began.pop(key, None)
        began = self._began.setdefault(key, now) if lasts else now
        self._conditions.note(key, lasts and now - began >= self._patience, **values)

    def _names(self, handlers: Collection[Running], now: float) -> str:
        """`shop.bot:order (12, 34 s); …`: how many, and how long the longest has been running."""
        counts = Counter(item.name for item in handlers)
        texts = []
        for name, count in counts.most_common(MOST_NAMED):
            longest = max(now - item.since for item in handlers if item.name == name)
            texts.append(f"{name} ({count}, {longest:.0f} s)")
        return "; ".join(texts) + ("; …" if len(counts) > MOST_NAMED else "")


def _some(names: Collection[str]) -> str:
    return ", ".join(list(names)[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
