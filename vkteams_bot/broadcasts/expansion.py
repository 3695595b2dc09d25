"""From an audience to one outbox row per recipient: a transaction per chunk, repeated safely after a crash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from vkteams_bot import notify
from vkteams_bot.broadcasts import recipients
from vkteams_bot.broadcasts.content import method_path
from vkteams_bot.broadcasts.schedule import starts_later
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.limits import Priority
from vkteams_bot.models import Broadcast, OutgoingCall
from vkteams_bot.stores import sql
from vkteams_bot.stores.uuid7 import uuid7

CHUNK = 5_000

Report = Callable[[int], object]


def prepare(broadcast_id: int, *, report: Report | None = None) -> bool:
    """Write the rows of a broadcast that is being prepared and let it go; False = somebody stopped it meanwhile.

    Two that prepare at once, or one that begins again, write no row twice. `report` is told how many recipients have
    been gone through. A wrong segment pauses the broadcast with the reason.
    """
    broadcast = Broadcast.objects.filter(pk=broadcast_id).preparing().first()
    if broadcast is None:
        return False
    looked_at = 0
    try:
        for page in recipients.pages(broadcast, CHUNK):
            if not _write(broadcast, recipients.reachable(broadcast, page)):
                return False
            looked_at += len(page)
            if report is not None:
                report(looked_at)
    except ConfigurationError as error:
        Broadcast.objects.filter(pk=broadcast_id).preparing().update(status=Broadcast.Status.PAUSED, error=str(error))
        return False
    return _finish(broadcast)


def _write(broadcast: Broadcast, page: recipients.Page) -> bool:
    now = timezone.now()
    with transaction.atomic():
        if not _hold(broadcast):
            return False
        if page:
            _insert(broadcast, page, now)
    return True


def _hold(broadcast: Broadcast) -> bool:
    """Lock its row, if it is still being prepared: an update locks on every database."""
    return bool(Broadcast.objects.filter(pk=broadcast.pk).preparing().update(total=None))


def _insert(broadcast: Broadcast, page: recipients.Page, now: datetime) -> None:
    columns = {"id": "uuid", "chat_id": "text", "params": "json", "created_at": "time"}
    created = sql.time_parameter(now)
    rows = [
        (
            sql.id_parameter(uuid7()),
            sql.identifier(recipient.chat_id),
            sql.json_parameter({"vars": recipient.vars} if recipient.vars else {}),
            created,
        )
        for recipient in page
    ]
    same: dict[str, str | int] = {
        "account_id": broadcast.account_id,
        "broadcast_id": broadcast.pk,
        "sender": OutgoingCall.Sender.WORKER.value,
        "priority": Priority.BULK.value,
        "method": method_path(broadcast),
        "status": OutgoingCall.Status.QUEUED.value,
        "attempts": 0,
        "error": "",
        "msg_id": "",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {sql.table(OutgoingCall)} ({', '.join([*columns, *same])}) "
            f"SELECT {', '.join(columns)}, {', '.join(['%s'] * len(same))} "
            f"FROM ({sql.source(columns)}{sql.in_order()}) AS given WHERE true ON CONFLICT DO NOTHING",
            [*same.values(), sql.rows_parameter(rows)],
        )


def _finish(broadcast: Broadcast) -> bool:
    with transaction.atomic():
        if not _hold(broadcast):
            return False
        now = timezone.now()
        later = starts_later(broadcast, now)
        Broadcast.objects.filter(pk=broadcast.pk).update(
            status=Broadcast.Status.SCHEDULED if later else Broadcast.Status.RUNNING,
            total=OutgoingCall.objects.filter(broadcast=broadcast.pk).count(),
            **({} if later else {"started_at": now}),
        )
        if not later:
            notify.deliver(broadcast.account_id, bulk=True)
    return True
