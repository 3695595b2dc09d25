"""How far a broadcast is, and what every report of it shows: the page, its socket, the list, the command.

The counts are derived from its rows: no counter that every send would have to lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Self

from django.core import signing
from django.db.models import Count
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from vkteams_bot.models import Broadcast, BroadcastAction, OutgoingCall

METER_SECONDS = 10.0
BAR_WIDTH = 1_000

ENDED = (Broadcast.Status.FINISHED, Broadcast.Status.CANCELLED, Broadcast.Status.EXPIRED)

Status = OutgoingCall.Status


def status_counts(broadcast_id: int) -> dict[str, int]:
    """Rows by status, from an index alone."""
    rows = OutgoingCall.objects.filter(broadcast=broadcast_id).values_list("status").order_by("status")
    return dict(rows.annotate(count=Count("*")))


class Outcome:
    """How many recipients are done with in one way: an attribute of Progress, and a part of its bar."""

    def __init__(self, status: Status, label: Promise) -> None:
        self.status, self.label = status, label

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, progress: Progress, owner: type) -> int:
        return progress.counts.get(self.status, 0)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a broadcast stands. `total` counts recipients; while they are being written, those so far.

    `is_final`: the results are stored, and only a retry changes them.
    """

    status: str
    total: int
    counts: dict[str, int]
    at: datetime
    error: str = ""
    is_final: bool = False

    sent = Outcome(Status.SENT, _("sent"))
    failed = Outcome(Status.FAILED, _("refused"))
    unknown = Outcome(Status.UNKNOWN, _("unknown"))
    dropped = Outcome(Status.DROPPED, _("dropped"))

    @classmethod
    def of(cls, broadcast_id: int) -> Self:
        """Where a broadcast stands now: two statements, one for a broadcast that is over."""
        fields = Broadcast.objects.values_list("status", "total", "counts", "error")
        status, total, stored, error = fields.get(pk=broadcast_id)
        counts = stored if stored is not None else status_counts(broadcast_id)
        return cls._read(status, total, counts, error, is_final=stored is not None)

    @classmethod
    def of_many(cls, broadcasts: Iterable[Broadcast]) -> dict[int, Self]:
        """By their keys: one statement for those whose results are not final. Drafts are left out."""
        started = [broadcast for broadcast in broadcasts if broadcast.status != Broadcast.Status.DRAFT]
        counts: dict[int, dict[str, int]] = {broadcast.pk: broadcast.counts or {} for broadcast in started}
        unfinished = [broadcast.pk for broadcast in started if broadcast.counts is None]
        if unfinished:
            calls: Any = OutgoingCall.objects.filter(broadcast__in=unfinished).order_by()
            for key, status, count in calls.values_list("broadcast", "status").annotate(count=Count("*")):
                counts[key][status] = count
        return {
            row.pk: cls._read(row.status, row.total, counts[row.pk], row.error, is_final=row.counts is not None)
            for row in started
        }

    @classmethod
    def _read(cls, status: str, total: int | None, counts: dict[str, int], error: str, *, is_final: bool) -> Self:
        return cls(status, sum(counts.values()) if total is None else total, counts, timezone.now(), error, is_final)

    @property
    def sending(self) -> int:
        return self.counts.get(Status.SENDING, 0)

    @property
    def waiting(self) -> int:
        return self.counts.get(Status.QUEUED, 0)

    @property
    def done(self) -> int:
        """Recipients whose outcome is known, or known to be unknown."""
        return sum(self.counts.get(outcome.status, 0) for outcome in OUTCOMES)

    @property
    def left(self) -> int:
        return self.total - self.done

    @property
    def share(self) -> float:
        """Of the recipients that are done: 0 to 1."""
        return self.done / self.total if self.total else 0.0

    @property
    def has_ended(self) -> bool:
        """It sends no more, unless somebody retries; what is on its way may still arrive."""
        return self.status in ENDED

    def bar(self, width: int = BAR_WIDTH) -> dict[str, tuple[float, float]]:
        """Start and width of each outcome's part of a bar of this width."""
        parts: dict[str, tuple[float, float]] = {}
        start = 0.0
        for outcome in OUTCOMES:
            part = width * self.counts.get(outcome.status, 0) / self.total if self.total else 0.0
            parts[outcome.name] = (round(start, 1), round(part, 1))
            start += part
        return parts


OUTCOMES = tuple(attribute for attribute in vars(Progress).values() if isinstance(attribute, Outcome))
"""In the order of every report."""


class Column(NamedTuple):
    """A number of the progress page: the attribute of a Progress, or of a Meter if it `is_measured`.

    `format`: `count`, `rate` (per second) or `clock` (seconds). `in_bar`: it has a part, and a colour, in the bar.
    """

    name: str
    label: Promise
    format: str = "count"
    in_bar: bool = False
    is_measured: bool = False


COLUMNS = (
    *(Column(outcome.name, outcome.label, in_bar=True) for outcome in OUTCOMES),
    Column("left", _("left"), in_bar=True),
    Column("total", _("recipients")),
    Column("rate", _("per second"), "rate", is_measured=True),
    Column("seconds_left", _("time left"), "clock", is_measured=True),
)


class Meter:
    """Messages per second over the last `seconds`, from the Progress values it is shown."""

    def __init__(self, *, seconds: float = METER_SECONDS) -> None:
        self._seconds = seconds
        self._status = ""
        self._left = 0
        self._samples: deque[tuple[float, int]] = deque()
        """Unix time, and how many were done."""

    def see(self, progress: Progress) -> None:
        if self._samples and (self._samples[-1][1] > progress.done or self._status != progress.status):
            self._samples.clear()  # a retry, a pause
        self._status, self._left = progress.status, progress.left
        now = progress.at.timestamp()
        self._samples.append((now, progress.done))
        while len(self._samples) > 2 and now - self._samples[1][0] >= self._seconds:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """None until it can tell, and while nothing is sent."""
        if len(self._samples) < 2 or self._status != Broadcast.Status.RUNNING:
            return None
        (began, done_before), (now, done) = self._samples[0], self._samples[-1]
        return (done - done_before) / (now - began) if now > began else None

    @property
    def seconds_left(self) -> float | None:
        """Until all are done, at this rate."""
        return self._left / self.rate if self.rate else None

    def packed(self) -> str:
        """What it has seen, for a page that asks again by HTTP: signed, so that it is given back as it was."""
        return signing.dumps([self._status, *self._samples], salt=__name__)

    @classmethod
    def unpacked(cls, text: str) -> Meter:
        """The meter that was packed so; one that has seen nothing for any other text."""
        meter = cls()
        try:
            meter._status, *samples = signing.loads(text, salt=__name__)
        except signing.BadSignature:
            return meter
        meter._samples.extend((moment, done) for moment, done in samples)
        return meter


def snapshot(broadcast_id: int, meter: Meter) -> dict[str, Any]:
    """All that the progress page draws, as JSON, by at most three statements. Raises Broadcast.DoesNotExist.

    The page fetches its details anew when `details` is another text, and follows no more when `is_over`.
    """
    progress = Progress.of(broadcast_id)
    meter.see(progress)
    actions = BroadcastAction.objects.filter(broadcast=broadcast_id).order_by("-pk")
    newest = actions.values_list("pk", flat=True).first()
    return {
        "status": progress.status,
        "numbers": {column.name: getattr(meter if column.is_measured else progress, column.name) for column in COLUMNS},
        "bar": progress.bar(),
        "percent": int(100 * progress.share),
        "details": f"{progress.status} {progress.failed} {progress.unknown} {newest} {progress.error}",
        "is_over": progress.has_ended and progress.is_final,
    }
