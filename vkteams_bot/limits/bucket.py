"""A rate limit that is counted in this process."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence

from vkteams_bot.limits.policy import Granted, Limiter, RatePolicy, Share, paused
from vkteams_bot.limits.priority import Priority

TIMER_SECONDS = 0.01
"""Timers may fire this much too early."""
PAUSE_SECONDS = 0.5
"""How long a pause of unknown length is at the whole rate."""
SLOWEST = 1 / 16
"""The part of the rate that is left after many refusals in a row."""
LOWERING_SECONDS = 1.0
"""Refusals that come within it are answers to requests that left together: they lower the rate once."""
RECOVERY_SECONDS = 60.0
"""In this time the rate grows by as much as the whole rate; so one refusal is forgotten after half of it."""
ROUNDING = 1e-6
"""Part of a turn that counts as nothing, so that who slept exactly as told gets his turn."""


class _Schedule:
    """One token bucket as a virtual schedule (GCRA): the time at which the bucket would be full again."""

    __slots__ = ("burst", "full_at", "interval")

    def __init__(self, rate: float, burst: int) -> None:
        self.interval = 1.0 / rate
        self.burst = burst
        self.full_at = 0.0

    def wait(self, now: float, pace: float, room: int | None = None) -> float:
        interval = self.interval / pace
        wait = self.full_at - interval * ((self.burst if room is None else room) - 1) - now
        return wait if wait > interval * ROUNDING else 0.0

    def free(self, now: float, pace: float, room: int) -> int:
        return max(0, int(room - max(0.0, self.full_at - now) * pace / self.interval + ROUNDING))

    def take(self, now: float, pace: float, count: int = 1) -> None:
        self.full_at = max(self.full_at, now) + count * self.interval / pace

    def give_back(self, pace: float, count: int) -> None:
        self.full_at -= count * self.interval / pace

    def empty(self, moment: float, pace: float) -> None:
        """At `moment` there is one turn and no burst."""
        self.full_at = max(self.full_at, moment + self.interval / pace * (self.burst - 1))


class LocalLimiter:
    """Counts in this process; loops and threads may share it.

    A turn that has to wait for its chat counts for the bot when it is asked for, so that it holds up no other chat.
    Idle chats are forgotten when there are `max_chats`. At the whole rate a pause of unknown length lasts
    `pause_seconds`, at half of it twice as long, and so on.
    """

    def __init__(
        self,
        policy: RatePolicy,
        *,
        max_chats: int = 10_000,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self._max_chats = max_chats
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._bot = _Schedule(policy.rate, policy.burst) if policy.rate else None
        self._parts: dict[str | Share, _Schedule] = {}
        self._sweep_at = max_chats
        self._paused_until = 0.0
        self._lowered_to = 1.0
        self._lowered_at = float("-inf")
        self._lock = threading.Lock()

    def reserve(self, chat_id: str | None, longest_pause: float = math.inf) -> float:
        with self._lock:
            now = self._clock()
            wait = max(0.0, self._paused_until - now)
            if wait > longest_pause:
                raise paused(wait)
            pace = self._pace(now)
            chat = self._chat(chat_id)
            if self._bot is not None:
                wait = max(wait, self._bot.wait(now, pace))
                self._bot.take(now, pace)
            if chat is not None:
                wait = max(wait, chat.wait(now, pace))
                chat.take(now + wait, pace)
            return wait

    def try_take(self, chat_id: str | None) -> bool:
        with self._lock:
            now = self._clock()
            pace = self._pace(now)
            schedules = [schedule for schedule in (self._bot, self._chat(chat_id)) if schedule is not None]
            if now < self._paused_until or any(schedule.wait(now, pace) > 0 for schedule in schedules):
                return False
            for schedule in schedules:
                schedule.take(now, pace)
            return True

    def take(self, count: int, priority: Priority, share: Share | None = None) -> Granted:
        with self._lock:
            now = self._clock()
            if now < self._paused_until:
                return Granted(0, self._paused_until - now)
            if self._bot is None:
                return Granted(count)
            pace = self._pace(now)
            rooms = [(self._bot, self.policy.room(priority))]
            if share is not None:
                own = self._share(share, self._bot)
                rooms.append((own, own.burst))
            granted = min(count, *(schedule.free(now, pace, room) for schedule, room in rooms))
            if granted < 1:
                return Granted(0, max(schedule.wait(now, pace, room) for schedule, room in rooms))
            for schedule, _ in rooms:
                schedule.take(now, pace, granted)
            return Granted(granted)

    def give_back(self, count: int, share: Share | None = None) -> None:
        with self._lock:
            if self._bot is None:
                return
            pace = self._pace(self._clock())
            self._bot.give_back(pace, count)
            if share is not None:
                self._share(share, self._bot).give_back(pace, count)

    def take_chats(self, chat_ids: Sequence[str]) -> list[float]:
        waits = []
        with self._lock:
            now = self._clock()
            pace = self._pace(now)
            for chat_id in chat_ids:
                chat = self._chat(chat_id)
                wait = chat.wait(now, pace) if chat is not None else 0.0
                if chat is not None and wait == 0:
                    chat.take(now, pace)
                waits.append(wait)
        return waits

    def pause(self, seconds: float | None = None) -> None:
        with self._lock:
            now = self._clock()
            pace = self._pace(now)
            if now >= max(self._paused_until, self._lowered_at + LOWERING_SECONDS):
                pace = max(SLOWEST, pace / 2)
                self._lowered_at = now
            self._lowered_to = pace
            self._paused_until = max(
                self._paused_until, now + (seconds if seconds is not None else self._pause_seconds / pace)
            )
            if self._bot is not None:  # those who wait start one by one after the pause, not all at its end
                self._bot.empty(self._paused_until, pace)

    def pause_left(self) -> float:
        return max(0.0, self._paused_until - self._clock())

    def _pace(self, now: float) -> float:
        """The part of the rate that is allowed now."""
        if self._lowered_to == 1.0:
            return 1.0
        return min(1.0, self._lowered_to + max(0.0, now - self._paused_until) / RECOVERY_SECONDS)

    def _chat(self, chat_id: str | None) -> _Schedule | None:
        if chat_id is None or not self.policy.chat_rate:
            return None
        return self._part(chat_id, self.policy.chat_rate, self.policy.chat_burst)

    def _share(self, share: Share, bot: _Schedule) -> _Schedule:
        return self._part(share, share.part / bot.interval, self.policy.share_burst(share))

    def _part(self, key: str | Share, rate: float, burst: int) -> _Schedule:
        schedule = self._parts.get(key)
        if schedule is None:
            if len(self._parts) >= self._sweep_at:
                self._forget_idle()
            schedule = self._parts[key] = _Schedule(rate, burst)
        return schedule

    def _forget_idle(self) -> None:
        now = self._clock()
        self._parts = {key: schedule for key, schedule in self._parts.items() if schedule.full_at > now}
        self._sweep_at = max(self._max_chats, 2 * len(self._parts))


async def wait_turn(limiter: Limiter, chat_id: str | None, longest_pause: float = math.inf) -> float:
    """Wait for the next turn without holding anything; return how many seconds of the wait were pauses.

    However long the queue is, it is waited for. Raises RateLimited instead of waiting for more than `longest_pause`
    seconds of pauses.
    """
    spent = 0.0
    while (wait := limiter.reserve(chat_id, longest_pause - spent + TIMER_SECONDS)) > 0:
        spent += limiter.pause_left()
        await asyncio.sleep(wait)
        if limiter.pause_left() < TIMER_SECONDS:
            break
    return spent


def wait_turn_sync(limiter: Limiter, chat_id: str | None, longest_pause: float = math.inf) -> float:
    """Do the same in this thread."""
    spent = 0.0
    while (wait := limiter.reserve(chat_id, longest_pause - spent + TIMER_SECONDS)) > 0:
        spent += limiter.pause_left()
        time.sleep(wait)
        if limiter.pause_left() < TIMER_SECONDS:
            break
    return spent
