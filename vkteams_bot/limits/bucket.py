"""Rate policy (what is allowed) apart from where it counts (here: this process)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

CHATS_REMEMBERED = 10_000
TIMER_SECONDS = 0.01
"""Timers may fire this much too early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePolicy:
    """At most `rate` requests per second sustained, `burst` at once; None = no limit."""

    rate: float | None = None
    burst: int = 5
    chat_rate: float | None = None
    chat_burst: int = 1

    def __post_init__(self) -> None:
        for name in ("rate", "chat_rate"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, or None for no limit")
        if self.burst < 1 or self.chat_burst < 1:
            raise ValueError("burst must be at least 1")


class Limiter(Protocol):
    """Grants turns. Waiting happens outside, so that one waiter never blocks another."""

    def reserve(self, chat_id: str | None) -> float:
        """Take the next turn; return the seconds to wait for it (0 = now)."""

    def try_take(self, chat_id: str | None) -> bool:
        """Take a turn only if it is free now."""

    def pause(self, seconds: float) -> None:
        """Let nobody start for `seconds`: the server asked for it."""

    def pause_left(self) -> float:
        """Seconds until the pause ends. A turn that comes up in a pause has to be taken anew."""


class _Schedule:
    """One token bucket as a virtual schedule (GCRA): the time at which the bucket would be full again."""

    __slots__ = ("full_at", "interval", "slack")

    def __init__(self, rate: float, burst: int) -> None:
        self.interval = 1.0 / rate
        self.slack = self.interval * (burst - 1)
        self.full_at = 0.0

    def wait(self, now: float) -> float:
        return max(0.0, self.full_at - self.slack - now)

    def take(self, now: float) -> None:
        self.full_at = max(self.full_at, now) + self.interval


class LocalLimiter:
    """Counts in this process; loops and threads may share it.

    A turn that has to wait for its chat counts for the bot when it is asked for, so that it holds up no other chat.
    """

    def __init__(self, policy: RatePolicy, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.policy = policy
        self._clock = clock
        self._bot = _Schedule(policy.rate, policy.burst) if policy.rate else None
        self._chats: dict[str, _Schedule] = {}
        self._sweep_at = CHATS_REMEMBERED
        self._paused_until = 0.0
        self._lock = threading.Lock()

    def reserve(self, chat_id: str | None) -> float:
        with self._lock:
            now = self._clock()
            schedules = self._schedules(chat_id)
            wait = max((schedule.wait(now) for schedule in schedules), default=0.0)
            wait = max(wait, self._paused_until - now, 0.0)
            for schedule in schedules:
                schedule.take(now + wait if schedule is not self._bot else now)
            return wait

    def try_take(self, chat_id: str | None) -> bool:
        with self._lock:
            now = self._clock()
            schedules = self._schedules(chat_id)
            if now < self._paused_until or any(schedule.wait(now) > 0 for schedule in schedules):
                return False
            for schedule in schedules:
                schedule.take(now)
            return True

    def pause(self, seconds: float) -> None:
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)
            if self._bot is not None:  # those who wait start one by one after the pause, not all at its end
                self._bot.full_at = max(self._bot.full_at, self._paused_until)

    def pause_left(self) -> float:
        return max(0.0, self._paused_until - self._clock())

    def _schedules(self, chat_id: str | None) -> list[_Schedule]:
        found = [self._bot] if self._bot is not None else []
        if chat_id is not None and self.policy.chat_rate:
            schedule = self._chats.get(chat_id)
            if schedule is None:
                if len(self._chats) >= self._sweep_at:
                    self._forget_idle_chats()
                schedule = self._chats[chat_id] = _Schedule(self.policy.chat_rate, self.policy.chat_burst)
            found.append(schedule)
        return found

    def _forget_idle_chats(self) -> None:
        now = self._clock()
        self._chats = {chat: schedule for chat, schedule in self._chats.items() if schedule.full_at > now}
        self._sweep_at = max(CHATS_REMEMBERED, 2 * len(self._chats))


async def wait_turn(limiter: Limiter, chat_id: str | None) -> None:
    """Wait for the next turn without holding anything."""
    while (wait := limiter.reserve(chat_id)) > 0:
        await asyncio.sleep(wait)
        if limiter.pause_left() < TIMER_SECONDS:
            return


def wait_turn_sync(limiter: Limiter, chat_id: str | None) -> None:
    """The same in this thread."""
    while (wait := limiter.reserve(chat_id)) > 0:
        time.sleep(wait)
        if limiter.pause_left() < TIMER_SECONDS:
            return
