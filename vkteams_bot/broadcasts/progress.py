"""How far a broadcast is. The counts are derived from its rows: no counter that every send would have to lock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from django.db.models import Count
from django.utils import timezone

from vkteams_bot.models import Broadcast, OutgoingCall

METER_SECONDS = 10.0
Status = OutgoingCall.Status


def status_counts(broadcast_id: int) -> dict[str, int]:
    """Rows by status, from an index alone."""
    rows = OutgoingCall.objects.filter(broadcast=broadcast_id).values_list("status").order_by("status")
    return dict(rows.annotate(count=Count("*")))


@dataclass(frozen=True, slots=True)
class Progress:
    """`total` counts recipients; while they are being written, those so far."""

    status: str
    total: int
    counts: dict[str, int]
    at: datetime
    error: str = ""

    @classmethod
    def of(cls, broadcast_id: int) -> Self:
        """Where a broadcast stands now: two statements, one for a broadcast that is over."""
        fields = Broadcast.objects.values_list("status", "total", "counts", "error")
        status, total, counts, error = fields.get(pk=broadcast_id)
        if counts is None:
            counts = status_counts(broadcast_id)
        return cls(status, total if total is not None else sum(counts.values()), counts, timezone.now(), error)

    @property
    def sent(self) -> int:
        return self.counts.get(Status.SENT, 0)

    @property
    def failed(self) -> int:
        return self.counts.get(Status.FAILED, 0)

    @property
    def unknown(self) -> int:
        return self.counts.get(Status.UNKNOWN, 0)

    @property
    def dropped(self) -> int:
        return self.counts.get(Status.DROPPED, 0)

    @property
    def sending(self) -> int:
        return self.counts.get(Status.SENDING, 0)

    @property
    def waiting(self) -> int:
        return self.counts.get(Status.QUEUED, 0)

    @property
    def done(self) -> int:
        """Recipients whose outcome is known, or known to be unknown."""
        return self.sent + self.failed + self.unknown + self.dropped

    @property
    def share(self) -> float:
        """Of the recipients that are done: 0 to 1."""
        return self.done / self.total if self.total else 0.0


class Meter:
    """Messages per second over the last METER_SECONDS, from what it is shown; None until it can tell."""

    def __init__(self) -> None:
        self._seen: deque[Progress] = deque()

    def see(self, now: Progress) -> None:
        if self._seen and (self._seen[-1].done > now.done or self._seen[-1].status != now.status):
            self._seen.clear()  # a retry, a pause
        self._seen.append(now)
        while len(self._seen) > 2 and now.at - self._seen[1].at >= timedelta(seconds=METER_SECONDS):
            self._seen.popleft()

    @property
    def rate(self) -> float | None:
        if len(self._seen) < 2:
            return None
        first, last = self._seen[0], self._seen[-1]
        seconds = (last.at - first.at).total_seconds()
        return (last.done - first.done) / seconds if seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Until all are done, at this rate."""
        rate = self.rate
        if not rate:
            return None
        return (self._seen[-1].total - self._seen[-1].done) / rate
