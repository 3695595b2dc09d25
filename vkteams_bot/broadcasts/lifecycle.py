"""The states of a broadcast and every move between them: what operators do, what time does, what a fault does.

    draft ──start──► preparing ──► scheduled (or at once) ──► running ──► finished ──retry──► running
    preparing, scheduled, running ──pause, a fault──► paused ──resume──► one of these again
    preparing, scheduled, running, paused ──cancel──► cancelled
    scheduled, running ──its expiry──► expired

No other module writes `Broadcast.status`. Each move is an UPDATE that names the statuses it starts from, so of two
processes or operators that act at once one wins.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from vkteams_bot import notify
from vkteams_bot.broadcasts.progress import status_counts
from vkteams_bot.broadcasts.schedule import is_expired, is_quiet, starts_later
from vkteams_bot.broadcasts.validation import problems
from vkteams_bot.exceptions import BroadcastError
from vkteams_bot.models import Broadcast, BroadcastAction, OutgoingCall
from vkteams_bot.stores import outbox

PREPARATION_SECONDS = 60.0
DROPPED_AT_ONCE = 5_000

Status = Broadcast.Status
Action = BroadcastAction.Action

POSSIBLE = {
    Action.START: (Status.DRAFT,),
    Action.PAUSE: (Status.PREPARING, Status.SCHEDULED, Status.RUNNING),
    Action.RESUME: (Status.PAUSED,),
    Action.CANCEL: (Status.PREPARING, Status.SCHEDULED, Status.RUNNING, Status.PAUSED),
    Action.RETRY: (Status.RUNNING, Status.PAUSED, Status.FINISHED),
}
"""In which statuses of a broadcast an operator may do this."""


# What operators do. The one who comes second gets BroadcastError.


def start(broadcast: Broadcast, *, user: Any = None) -> None:
    """Have its recipients written and then its messages sent. Raises BroadcastError, also for what is wrong in it."""
    if faults := problems(broadcast):
        raise BroadcastError("; ".join(map(str, faults)))
    with transaction.atomic():
        _act(broadcast, Action.START, user, status=Status.PREPARING, started_at=timezone.now())
        notify.expand(broadcast.pk)


def pause(broadcast: Broadcast, *, user: Any = None) -> None:
    """Send no more until it is resumed; what is on its way arrives. Raises BroadcastError."""
    _act(broadcast, Action.PAUSE, user, status=Status.PAUSED)


def resume(broadcast: Broadcast, *, user: Any = None) -> None:
    """Go on after a pause. Raises BroadcastError."""
    now = timezone.now()
    broadcast.refresh_from_db(fields=("total", "starts_at", "expires_at", "started_at"))
    _refuse_expired(broadcast)
    with transaction.atomic():
        if broadcast.total is None:
            _act(broadcast, Action.RESUME, user, status=Status.PREPARING, error="", started_at=now)
            notify.expand(broadcast.pk)
        elif starts_later(broadcast, now):
            _act(broadcast, Action.RESUME, user, status=Status.SCHEDULED, error="")
        else:
            _act(broadcast, Action.RESUME, user, status=Status.RUNNING, error="")
            notify.deliver(broadcast.account_id, bulk=True)


def cancel(broadcast: Broadcast, *, user: Any = None) -> None:
    """Never send the rest; what is on its way arrives. Raises BroadcastError."""
    _act(broadcast, Action.CANCEL, user, status=Status.CANCELLED, finished_at=timezone.now())


def retry(broadcast: Broadcast, *, user: Any = None, unknown: bool = False) -> int:
    """Send refused ones again, with `unknown` also those that may have arrived; how many. Raises BroadcastError."""
    broadcast.refresh_from_db(fields=("expires_at",))
    _refuse_expired(broadcast)
    rows = broadcast.calls.open() if unknown else broadcast.calls.in_status(OutgoingCall.Status.FAILED)
    with transaction.atomic():
        note = _("with unknown ones") if unknown else ""
        _act(broadcast, Action.RETRY, user, note, status=F("status"))
        count = outbox.requeue(rows)
        if not count:
            raise BroadcastError(_("There is nothing to retry."))
        reopen([broadcast.pk])
        if broadcast.status != Status.PAUSED:
            notify.deliver(broadcast.account_id, bulk=True)
    broadcast.refresh_from_db(fields=("status", "finished_at", "counts"))
    return count


def record(broadcast: Broadcast, action: Action, user: Any, note: str = "") -> None:
    """Write down that this user did this; a long note is cut."""
    longest = BroadcastAction._meta.get_field("note").max_length
    BroadcastAction.objects.create(broadcast=broadcast, action=action, user=user, note=note[:longest])


def _act(broadcast: Broadcast, action: Action, user: Any, note: str = "", **changes: Any) -> None:
    """The check and the change are one statement, so two operators cannot both pass the check."""
    with transaction.atomic():
        if not _move(broadcast.pk, POSSIBLE[action], **changes):
            broadcast.refresh_from_db(fields=("status",))
            raise BroadcastError(
                _("“%(action)s” is not possible: the broadcast is %(status)s.")
                % {"action": action.label, "status": broadcast.get_status_display()}
            )
        record(broadcast, action, user, note)
    broadcast.refresh_from_db(fields=("status", "error", "started_at", "finished_at"))


def _refuse_expired(broadcast: Broadcast) -> None:
    if is_expired(broadcast, timezone.now()):
        raise BroadcastError(_("It has expired: give it a later expiry first."))


# What the delivery of its messages does.


def lock_preparing(broadcast_id: int) -> bool:
    """Lock the row of one that is still being prepared, until the transaction ends; False = it is not any more."""
    # An update locks on every database.
    return bool(Broadcast.objects.filter(pk=broadcast_id).preparing().update(total=None))


def finish_preparation(broadcast: Broadcast) -> bool:
    """All its recipients are written: let it go, now or at its time; False = it is not being prepared any more."""
    with transaction.atomic():
        if not lock_preparing(broadcast.pk):
            return False
        now = timezone.now()
        total = OutgoingCall.objects.filter(broadcast=broadcast.pk).count()
        if starts_later(broadcast, now):
            return _move(broadcast.pk, (Status.PREPARING,), status=Status.SCHEDULED, total=total)
        _move(broadcast.pk, (Status.PREPARING,), status=Status.RUNNING, total=total, started_at=now)
        notify.deliver(broadcast.account_id, bulk=True)
        return True


def halt(broadcast_id: int, reason: str) -> None:
    """Pause one that is prepared or runs, because of a fault that everybody's message would share."""
    _move(broadcast_id, (Status.PREPARING, Status.RUNNING), status=Status.PAUSED, error=reason)


def reopen(broadcast_ids: Collection[int]) -> None:
    """Let finished ones run again: rows of theirs wait anew, or will by this transaction."""
    chosen = Broadcast.objects.filter(pk__in=broadcast_ids)
    with transaction.atomic():
        # Locked in any status: whoever is finishing one right now has to see those rows, or to be seen.
        list(chosen.order_by("pk").select_for_update().values_list("pk"))
        chosen.in_status(Status.FINISHED).update(status=Status.RUNNING, finished_at=None, counts=None)


# What time does.


def advance(
    account_id: int | None,
    now: datetime,
    *,
    preparation_seconds: float = PREPARATION_SECONDS,
    dropped_at_once: int = DROPPED_AT_ONCE,
) -> set[int]:
    """Start, expire, finish and close the broadcasts of a bot (None = of all) whose time has come.

    Gives the ids of the bots that have something to send now. A preparation that wrote nothing for so many seconds is
    begun again. One statement when there is nothing to do; two processes may do it at once.
    """
    waiting = OutgoingCall.objects.filter(broadcast=OuterRef("pk")).waiting()
    on_the_way = OutgoingCall.objects.filter(broadcast=OuterRef("pk")).sending()
    unsettled = Broadcast.objects.unsettled().defer("recipients", "text")
    if account_id is not None:
        unsettled = unsettled.filter(account=account_id)
    due: set[int] = set()
    rows: QuerySet[Any] = unsettled.annotate(waits=Exists(waiting), leaves=Exists(on_the_way)).order_by("pk")
    for broadcast in rows:
        waits, leaves = broadcast.waits, broadcast.leaves
        if broadcast.status == Status.PREPARING:
            _restart_preparation(broadcast, now, timedelta(seconds=preparation_seconds))
        elif broadcast.status in (Status.CANCELLED, Status.EXPIRED):
            if waits:
                _drop(broadcast, now, dropped_at_once)
            elif not leaves:
                _close(broadcast)
        elif is_expired(broadcast, now):
            _move(broadcast.pk, (broadcast.status,), status=Status.EXPIRED, finished_at=now)
        elif broadcast.status == Status.SCHEDULED:
            if broadcast.starts_at is None or broadcast.starts_at <= now:
                _move(broadcast.pk, (Status.SCHEDULED,), status=Status.RUNNING, started_at=now)
                due.add(broadcast.account_id)
        elif broadcast.status == Status.RUNNING:
            if not waits and not leaves:
                _finish(broadcast, now)
            elif waits and not is_quiet(broadcast, now):
                due.add(broadcast.account_id)
    return due


def _finish(broadcast: Broadcast, now: datetime) -> None:
    with transaction.atomic():
        # The lock first: a retry may have put rows back since they were looked at.
        if _move(broadcast.pk, (Status.RUNNING,), status=Status.FINISHED, finished_at=now):
            counts = status_counts(broadcast.pk)
            if OutgoingCall.Status.QUEUED in counts or OutgoingCall.Status.SENDING in counts:
                _move(broadcast.pk, (Status.FINISHED,), status=Status.RUNNING, finished_at=None)
            else:
                _move(broadcast.pk, (Status.FINISHED,), counts=counts)


def _drop(broadcast: Broadcast, now: datetime, most: int) -> None:
    """What a broadcast that was ended early will not send any more is dropped step by step."""
    waiting = OutgoingCall.objects.filter(broadcast=broadcast.pk).waiting()
    keys = list(waiting.order_by("pk").values_list("pk", flat=True)[:most])
    outbox.drop(waiting.filter(pk__in=keys))


def _close(broadcast: Broadcast) -> None:
    """Nothing of one that was ended early is on its way any more: its results are final."""
    counts = status_counts(broadcast.pk)
    _move(broadcast.pk, (broadcast.status,), counts=counts, total=sum(counts.values()))


def _restart_preparation(broadcast: Broadcast, now: datetime, patience: timedelta) -> None:
    newest = broadcast.calls.waiting().order_by("-pk").values_list("created_at", flat=True).first()
    alive_at = max(filter(None, (newest, broadcast.started_at)), default=broadcast.created_at)
    if alive_at < now - patience:
        with transaction.atomic():
            if _move(broadcast.pk, (Status.PREPARING,), started_at=now):
                notify.expand(broadcast.pk)


def _move(broadcast_id: int, statuses: Collection[str], **changes: Any) -> bool:
    """Only from these statuses: somebody may have been quicker."""
    return bool(Broadcast.objects.filter(pk=broadcast_id).in_status(*statuses).update(**changes))
