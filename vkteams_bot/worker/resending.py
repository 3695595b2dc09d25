"""An operator's decision to send again what failed or is unknown."""

from __future__ import annotations

from django.db import transaction

from vkteams_bot import notify
from vkteams_bot.broadcasts.lifecycle import reopen
from vkteams_bot.limits import Priority
from vkteams_bot.models import Broadcast, OutgoingCall
from vkteams_bot.models.calls import OutgoingCallQuerySet
from vkteams_bot.stores import outbox

ENDED = (Broadcast.Status.CANCELLED, Broadcast.Status.EXPIRED)


def resend(calls: OutgoingCallQuerySet) -> int:
    """Let failed and unknown ones be sent again by whoever sends them; how many.

    Not those of a broadcast that was cancelled or has expired: nobody would send them.
    """
    calls = calls.exclude(broadcast__status__in=ENDED)
    with transaction.atomic():
        notifications = calls.open().exclude(origin=OutgoingCall.Origin.REPLY).order_by()
        kinds = set(notifications.values_list("account_id", "broadcast_id", "priority").distinct())
        reopen({broadcast_id for _, broadcast_id, _ in kinds if broadcast_id is not None})
        count = outbox.requeue(calls)
        for account_id, bulk in {(account_id, priority == Priority.BULK) for account_id, _, priority in kinds}:
            notify.deliver(account_id, bulk=bulk)
    return count
