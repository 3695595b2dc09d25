"""What operators do with a broadcast. Of two who do it at once one wins, the other gets BroadcastError."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from vkteams_bot import notify
from vkteams_bot.broadcasts.schedule import is_expired, starts_later
from vkteams_bot.broadcasts.validation import problems
from vkteams_bot.exceptions import BroadcastError
from vkteams_bot.models import Broadcast, BroadcastAction, OutgoingCall

Status = Broadcast.Status
Action = BroadcastAction.Action

POSSIBLE = {
    Action.START: (Status.DRAFT,),
    Action.PAUSE: (Status.PREPARING, Status.SCHEDULED, Status.RUNNING),
    Action.RESUME: (Status.PAUSED,),
    Action.CANCEL: (Status.PREPARING, Status.SCHEDULED, Status.RUNNING, Status.PAUSED),
    Action.RETRY: (Status.RUNNING, Status.PAUSED, Status.FINISHED),
}
"""In which statuses of a broadcast."""


def start(broadcast: Broadcast, *, user: Any = None) -> None:
    """Have its recipients written and then its messages sent. Raises BroadcastError, also for what is wrong in it."""
    found = problems(broadcast)
    if found:
        raise BroadcastError("; ".join(str(problem) for problem in found))
    with transaction.atomic():
        _move(broadcast, Action.START, user, status=Status.PREPARING, started_at=timezone.now())
        notify.expand(broadcast.pk)


def pause(broadcast: Broadcast, *, user: Any = None) -> None:
    """Send no more until it is resumed; what is on its way arrives. Raises BroadcastError."""
    _move(broadcast, Action.PAUSE, user, status=Status.PAUSED)


def resume(broadcast: Broadcast, *, user: Any = None) -> None:
    """Go on after a pause. Raises BroadcastError."""
    now = timezone.now()
    broadcast.refresh_from_db(fields=("total", "starts_at", "expires_at", "started_at"))
    _refuse_expired(broadcast)
    with transaction.atomic():
        if broadcast.total is None:
            _move(broadcast, Action.RESUME, user, status=Status.PREPARING, error="", started_at=now)
            notify.expand(broadcast.pk)
        elif starts_later(broadcast, now):
            _move(broadcast, Action.RESUME, user, status=Status.SCHEDULED, error="")
        else:
            _move(broadcast, Action.RESUME, user, status=Status.RUNNING, error="")
            notify.deliver(broadcast.account_id, bulk=True)


def cancel(broadcast: Broadcast, *, user: Any = None) -> None:
    """Never send the rest; what is on its way arrives. Raises BroadcastError."""
    _move(broadcast, Action.CANCEL, user, status=Status.CANCELLED, finished_at=timezone.now())


def retry(broadcast: Broadcast, *, user: Any = None, unknown: bool = False) -> int:
    """Send refused ones again, with `unknown` also those that may have arrived; how many. Raises BroadcastError."""
    broadcast.refresh_from_db(fields=("expires_at",))
    _refuse_expired(broadcast)
    rows = broadcast.calls.open() if unknown else broadcast.calls.in_status(OutgoingCall.Status.FAILED)
    with transaction.atomic():
        note = _("with unknown ones") if unknown else ""
        _move(broadcast, Action.RETRY, user, note, status=F("status"))
        count = rows.resend()
        if not count:
            raise BroadcastError(_("There is nothing to retry."))
        reopen([broadcast.pk])
        if broadcast.status != Status.PAUSED:
            notify.deliver(broadcast.account_id, bulk=True)
    broadcast.refresh_from_db(fields=("status", "finished_at", "counts"))
    return count


def reopen(broadcast_ids: Collection[int]) -> None:
    """Let finished ones run again: rows of theirs wait anew, or will by this transaction."""
    chosen = Broadcast.objects.filter(pk__in=broadcast_ids)
    with transaction.atomic():
        # Locked in any status: whoever is finishing one right now has to see those rows, or to be seen.
        list(chosen.order_by("pk").select_for_update().values_list("pk"))
        chosen.in_status(Status.FINISHED).update(status=Status.RUNNING, finished_at=None, counts=None)


def halt(broadcast_id: int, reason: str) -> None:
    """Pause it because of a fault that everybody's message would share."""
    Broadcast.objects.filter(pk=broadcast_id).running().update(status=Status.PAUSED, error=reason)


def record(broadcast: Broadcast, action: Action, user: Any, note: str = "") -> None:
    longest = BroadcastAction._meta.get_field("note").max_length
    BroadcastAction.objects.create(broadcast=broadcast, action=action, user=user, note=note[:longest])


def _move(broadcast: Broadcast, action: Action, user: Any, note: str = "", **changes: Any) -> None:
    """The check and the change are one statement, so two operators cannot both pass the check."""
    with transaction.atomic():
        if not Broadcast.objects.filter(pk=broadcast.pk).in_status(*POSSIBLE[action]).update(**changes):
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
