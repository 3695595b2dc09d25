"""From an audience to one outbox row per recipient: a transaction per chunk, repeated safely after a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from vkteams_bot.broadcasts import recipients
from vkteams_bot.broadcasts.content import method_path
from vkteams_bot.broadcasts.lifecycle import finish_preparation, halt, lock_preparing
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.limits import Priority
from vkteams_bot.models import Broadcast, OutgoingCall
from vkteams_bot.stores import outbox
from vkteams_bot.stores.outbox import NewCall
from vkteams_bot.stores.slow_calls import slow_calls
from vkteams_bot.stores.uuid7 import uuid7

logger = logging.getLogger("vkteams_bot.worker")

CHUNK = 5_000

Report = Callable[[int], object]


def prepare(broadcast_id: int, *, report: Report | None = None, chunk_size: int = CHUNK) -> bool:
    """Write the rows of a broadcast that is being prepared and let it go; False = somebody stopped it meanwhile.

    Two that prepare at once, or one that begins again, write no row twice. `report` is told how many recipients have
    been gone through. A wrong segment pauses the broadcast with the reason.
    """
    with slow_calls.watched("prepare", logger):
        broadcast = Broadcast.objects.filter(pk=broadcast_id).preparing().first()
    if broadcast is None:
        return False
    looked_at = 0
    try:
        for page in recipients.pages(broadcast, chunk_size):
            with slow_calls.watched("prepare", logger):
                if not _write(broadcast, recipients.reachable(broadcast, page)):
                    return False
            looked_at += len(page)
            if report is not None:
                report(looked_at)
    except ConfigurationError as error:
        halt(broadcast_id, str(error))
        return False
    with slow_calls.watched("prepare", logger):
        return finish_preparation(broadcast)


def _write(broadcast: Broadcast, page: recipients.Page) -> bool:
    now = timezone.now()
    with transaction.atomic():
        if not lock_preparing(broadcast.pk):
            return False
        if page:
            _insert(broadcast, page, now)
    return True


def _insert(broadcast: Broadcast, page: recipients.Page, now: datetime) -> None:
    calls = [
        NewCall(
            id=uuid7(),
            method=method_path(broadcast),
            chat_id=recipient.chat_id,
            params={"vars": recipient.vars} if recipient.vars else {},
            origin=OutgoingCall.Origin.BROADCAST,
            priority=Priority.BULK,
            broadcast_id=broadcast.pk,
        )
        for recipient in page
    ]
    outbox.insert(broadcast.account_id, calls, now)
