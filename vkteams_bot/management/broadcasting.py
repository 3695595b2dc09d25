"""A broadcast in the terminal: watching it, and delivering it without a broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vkteams_bot import notify
from vkteams_bot.broadcasts.expansion import prepare
from vkteams_bot.broadcasts.progress import Meter, Progress
from vkteams_bot.broadcasts.schedule import is_quiet
from vkteams_bot.management.bar import Bar
from vkteams_bot.models import Broadcast
from vkteams_bot.worker import deliver, sweep

LOOK_SECONDS = 0.5
SWEEP_SECONDS = 1.0
IDLE_SECONDS = 0.2
STUCK_SECONDS = 10.0

OVER = (Broadcast.Status.FINISHED, Broadcast.Status.CANCELLED, Broadcast.Status.EXPIRED)

Hint = Callable[[str], None]


@dataclass(slots=True)
class Watch:
    """Shows a broadcast on a bar until it is over, paused or `stop` is set."""

    broadcast: Broadcast
    bar: Bar
    stop: threading.Event
    hint: Hint
    _meter: Meter = field(default_factory=Meter)

    def follow(self) -> Progress:
        """While workers deliver it."""
        moved_at, seen = time.monotonic(), -1
        while not self._is_still(now := self._look()):
            if now.done + now.waiting != seen or self._may_rest(now):
                moved_at, seen = time.monotonic(), now.done + now.waiting
            elif time.monotonic() - moved_at > STUCK_SECONDS and not now.done:
                moved_at = float("inf")
                self.bar.close()
                self.hint("nothing moves: does a Celery worker run? Or deliver it here with --local")
            self.stop.wait(LOOK_SECONDS)
        return now

    def deliver(self) -> Progress:
        """In this process. What a process that died here had on its way is decided when its claims have ended."""
        with notify.suppressed():
            if self.broadcast.status == Broadcast.Status.PREPARING:
                prepare(self.broadcast.pk, report=lambda _looked_at: self._look())
            swept_at = 0.0
            while not self._is_still(now := self._look()):
                if time.monotonic() - swept_at >= SWEEP_SECONDS:
                    sweep()
                    swept_at = time.monotonic()
                more = deliver(self.broadcast.account_id, bulk=True, seconds=LOOK_SECONDS, stop=self.stop.is_set)
                if not more:
                    self.stop.wait(IDLE_SECONDS)
        return now

    def _may_rest(self, now: Progress) -> bool:
        """It waits for its start, or for the end of its quiet hours."""
        return now.status == Broadcast.Status.SCHEDULED or is_quiet(self.broadcast, now.at)

    def _is_still(self, now: Progress) -> bool:
        return self.stop.is_set() or now.status in OVER or now.status == Broadcast.Status.PAUSED

    def _look(self) -> Progress:
        now = Progress.of(self.broadcast.pk)
        self._meter.see(now)
        self.bar.show(now.status, self._text(now), now.share)
        return now

    def _text(self, now: Progress) -> str:
        if now.status == Broadcast.Status.PREPARING:
            return f"{now.total} recipients"
        text = summary(now)
        if rate := self._meter.rate:
            text += f", {rate:.0f}/s"
        if (seconds := self._meter.seconds_left) is not None and seconds >= 1:
            text += f", {_duration(seconds)} left"
        return text


def summary(now: Progress) -> str:
    parts = [f"{now.sent} of {now.total} sent"]
    parts += [f"{count} {name}" for name in ("failed", "unknown", "dropped") if (count := now.counts.get(name))]
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
