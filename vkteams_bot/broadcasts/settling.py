"""What time does with broadcasts: they start, expire, finish; a preparation that died is begun again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from vkteams_bot import notify
from vkteams_bot.broadcasts.progress import status_counts
from vkteams_bot.broadcasts.schedule import is_expired, is_quiet
from vkteams_bot.models import Broadcast, OutgoingCall

PREPARATION_SECONDS = 60.0
DROPPED_AT_ONCE = 5_000

Status = Broadcast.Status


def settle(account_id: int | None, now: datetime) -> set[int]:
    """Bring the broadcasts of a bot (None = of all) up to date; the ids of bots that have something to send now.

    One statement when there is nothing to do. Two processes may do it at once.
    """
    waiting = OutgoingCall.objects.filter(broadcast=OuterRef("pk")).waiting()
    on_the_way = OutgoingCall.objects.filter(broadcast=OuterRef("pk")).sending()
    found = Broadcast.objects.unsettled().defer("recipients", "text")
    if account_id is not None:
        found = found.filter(account=account_id)
    due: set[int] = set()
    rows: QuerySet[Any] = found.annotate(waits=Exists(waiting), leaves=Exists(on_the_way)).order_by("pk")
    for broadcast in rows:
        waits, leaves = broadcast.waits, broadcast.leaves
        if broadcast.status == Status.PREPARING:
            _restart_preparation(broadcast, now)
        elif broadcast.status in (Status.CANCELLED, Status.EXPIRED):
            _close(broadcast, waits=waits, leaves=leaves, now=now)
        elif is_expired(broadcast, now):
            _change(broadcast, status=Status.EXPIRED, finished_at=now)
        elif broadcast.status == Status.SCHEDULED:
            if broadcast.starts_at is None or broadcast.starts_at <= now:
                _change(broadcast, status=Status.RUNNING, started_at=now)
                due.add(broadcast.account_id)
        elif broadcast.status == Status.RUNNING:
            if not waits and not leaves:
                _finish(broadcast, now)
            elif waits and not is_quiet(broadcast, now):
                due.add(broadcast.account_id)
    return due


def _change(broadcast: Broadcast, **changes: object) -> bool:
    """Only from the status that was seen: an operator may have been quicker."""
    return bool(Broadcast.objects.filter(pk=broadcast.pk).in_status(broadcast.status).update(**changes))


def _finish(broadcast: Broadcast, now: datetime) -> None:
    with transaction.atomic():
        # The lock first: a retry may have put rows back since they were looked at.
        if _change(broadcast, status=Status.FINISHED, finished_at=now):
            counts = status_counts(broadcast.pk)
            unfinished = {OutgoingCall.Status.QUEUED, OutgoingCall.Status.SENDING} & counts.keys()
            changes = {"status": Status.RUNNING, "finished_at": None} if unfinished else {"counts": counts}
            Broadcast.objects.filter(pk=broadcast.pk).update(**changes)


def _close(broadcast: Broadcast, *, waits: bool, leaves: bool, now: datetime) -> None:
    """What a broadcast will not send any more is dropped step by step; then its results are final."""
    rows = OutgoingCall.objects.filter(broadcast=broadcast.pk)
    if waits:
        some = list(rows.waiting().order_by("pk").values_list("pk", flat=True)[:DROPPED_AT_ONCE])
        rows.filter(pk__in=some).waiting().update(status=OutgoingCall.Status.DROPPED, finished_at=now)
    elif not leaves:
        counts = status_counts(broadcast.pk)
        _change(broadcast, counts=counts, total=sum(counts.values()))


def _restart_preparation(broadcast: Broadcast, now: datetime) -> None:
    newest = broadcast.calls.waiting().order_by("-pk").values_list("created_at", flat=True).first()
    alive_at = max(filter(None, (newest, broadcast.started_at)), default=broadcast.created_at)
    if alive_at < now - timedelta(seconds=PREPARATION_SECONDS):
        with transaction.atomic():
            if _change(broadcast, started_at=now):
                notify.expand(broadcast.pk)
