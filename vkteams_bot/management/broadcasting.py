"""A broadcast in the terminal: watching it, and delivering it without a broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vkteams_bot import notify
from vkteams_bot.broadcasts.expansion import prepare
from vkteams_bot.broadcasts.progress import OUTCOMES, Meter, Progress
from vkteams_bot.broadcasts.schedule import is_quiet
from vkteams_bot.management.bar import Bar
from vkteams_bot.models import Broadcast, OutgoingCall
from vkteams_bot.worker import deliver, sweep

SWEEP_SECONDS = 1.0
IDLE_SECONDS = 0.2

Hint = Callable[[str], None]


@dataclass(slots=True)
class Watch:
    """Shows a broadcast on a bar until it has ended, is paused or `stop` is set.

    `look_seconds`: between two looks. `stuck_seconds`: when nothing moves for so long, `hint` is told why that may be.
    """

    broadcast: Broadcast
    bar: Bar
    stop: threading.Event
    hint: Hint
    look_seconds: float = 0.5
    stuck_seconds: float = 10.0
    _meter: Meter = field(default_factory=Meter)

    def follow(self) -> Progress:
        """While somebody else delivers it."""
        moved_at, seen = time.monotonic(), -1
        while not self._is_still(progress := self._look()):
            known = progress.done + progress.waiting
            if known != seen or self._may_rest(progress):
                moved_at, seen = time.monotonic(), known
            elif time.monotonic() - moved_at > self.stuck_seconds and not progress.done:
                moved_at = float("inf")
                self.bar.close()
                self.hint("nothing moves: does runbot or a Celery worker run? Or deliver it here with --local")
            self.stop.wait(self.look_seconds)
        return progress

    def deliver(self) -> Progress:
        """In this process. What a process that died here had on its way is decided when its claims have ended."""
        with notify.suppressed():
            if self.broadcast.status == Broadcast.Status.PREPARING:
                prepare(self.broadcast.pk, report=lambda _looked_at: self._look())
            swept_at = 0.0
            while not self._is_still(progress := self._look()):
                if time.monotonic() - swept_at >= SWEEP_SECONDS:
                    sweep()
                    swept_at = time.monotonic()
                more = deliver(self.broadcast.account_id, bulk=True, seconds=self.look_seconds, stop=self.stop.is_set)
                if not more:
                    self.stop.wait(IDLE_SECONDS)
        return progress

    def _may_rest(self, progress: Progress) -> bool:
        """It waits for its start, or for the end of its quiet hours."""
        return progress.status == Broadcast.Status.SCHEDULED or is_quiet(self.broadcast, progress.at)

    def _is_still(self, progress: Progress) -> bool:
        return self.stop.is_set() or progress.has_ended or progress.status == Broadcast.Status.PAUSED

    def _look(self) -> Progress:
        progress = Progress.of(self.broadcast.pk)
        self._meter.see(progress)
        self.bar.show(progress.status, self._text(progress), progress.share)
        return progress

    def _text(self, progress: Progress) -> str:
        if progress.status == Broadcast.Status.PREPARING:
            return f"{progress.total} recipients"
        text = summary(progress)
        if rate := self._meter.rate:
            text += f", {rate:.0f}/s"
        if (seconds := self._meter.seconds_left) is not None and seconds >= 1:
            text += f", {_duration(seconds)} left"
        return text


def summary(progress: Progress) -> str:
    """One line: how many were sent, and of the other outcomes those that happened."""
    parts = [f"{progress.sent} of {progress.total} sent"]
    others = [outcome for outcome in OUTCOMES if outcome.status != OutgoingCall.Status.SENT]
    parts += [f"{count} {outcome.name}" for outcome in others if (count := progress.counts.get(outcome.status))]
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
