"""The outbox: what must not be lost is a row before it is a request."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from vkteams_bot.api.methods import METHODS, Method
from vkteams_bot.models import OutgoingCall
from vkteams_bot.stores import sql, uploads

Status = OutgoingCall.Status
FILE = "file"
INTERRUPTED = "The process died after the request may have left, before the answer was recorded."


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A row of the outbox on its way out."""

    id: UUID
    method: Method[Any]
    update_id: int | None = None


@dataclass(frozen=True, slots=True)
class NewCall:
    call: StoredCall
    params: dict[str, Any]
    status: str


@dataclass(frozen=True, slots=True)
class CallOutcome:
    id: UUID
    status: str
    error: str = ""
    msg_id: str = ""


def storable(method: Method[Any], default_parse_mode: str | None) -> dict[str, Any]:
    """The parameters as a row holds them. Raises InvalidCall for an upload that no row can hold."""
    params: dict[str, Any] = dict(method.params(default_parse_mode))
    upload = method.upload
    if upload is not None:
        params[FILE] = uploads.storable(upload)
    return params


def restored(path: str, params: dict[str, Any]) -> Method[Any]:
    """The method value of a row. Raises KeyError or WireError when this version does not know it."""
    wire = {name: value if isinstance(value, list) else [value] for name, value in params.items() if name != FILE}
    file = uploads.restored(params[FILE]) if FILE in params else None
    return METHODS[path].from_wire(wire, file=file)


def insert(account_id: int, calls: Sequence[NewCall], now: datetime) -> None:
    columns = {
        "id": "uuid",
        "account_id": "int",
        "update_id": "int",
        "method": "text",
        "chat_id": "text",
        "params": "json",
        "status": "text",
        "created_at": "time",
    }
    created = sql.time_parameter(now)
    rows = [
        (
            sql.id_parameter(new.call.id),
            account_id,
            new.call.update_id,
            new.call.method.path,
            sql.identifier(new.call.method.chat or ""),
            sql.json_parameter(new.params),
            new.status,
            created,
        )
        for new in calls
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {sql.table(OutgoingCall)} ({', '.join(columns)}, error, msg_id) "
            f"SELECT {', '.join(columns)}, '', '' FROM ({sql.source(columns)}) AS given WHERE true "
            "ON CONFLICT (id) DO NOTHING",
            [sql.rows_parameter(rows)],
        )


def record(outcomes: Sequence[CallOutcome], now: datetime) -> None:
    """Write outcomes; a row that an operator dropped meanwhile keeps its outcome, too: it is the truth."""
    columns = {"id": "uuid", "status": "text", "error": "text", "msg_id": "text"}
    calls = sql.table(OutgoingCall)
    rows = [(sql.id_parameter(item.id), item.status, item.error, sql.identifier(item.msg_id, 64)) for item in outcomes]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {calls} SET status = done.status, error = done.error, msg_id = done.msg_id, finished_at = %s "
            f"FROM ({sql.source(columns)}{sql.at_most(len(rows))}) AS done WHERE {calls}.id = done.id",
            [sql.time_parameter(now), sql.rows_parameter(rows)],
        )


def claim(ids: Collection[UUID], *, again: bool = False) -> set[UUID]:
    """Mark waiting calls as being sent; those that were still waiting.

    `again`: the same claim was made before, and nobody knows whether it was committed.
    """
    statuses = (Status.QUEUED, Status.SENDING) if again else (Status.QUEUED,)
    waiting = OutgoingCall.objects.filter(pk__in=ids, status__in=statuses)
    claimed = set(waiting.select_for_update().values_list("pk", flat=True))
    OutgoingCall.objects.filter(pk__in=claimed).update(status=Status.SENDING)
    return claimed


def recover(account_id: int, *, resend: bool) -> int:
    """After a start: what the dead process was sending may or may not have arrived. How many."""
    sending = OutgoingCall.objects.of_bot(account_id).sending()
    if resend:
        return sending.update(status=Status.QUEUED)
    return sending.update(status=Status.UNKNOWN, error=INTERRUPTED, finished_at=timezone.now())


def unclaim(ids: Collection[UUID]) -> None:
    """Let calls wait again that were claimed and have not left."""
    OutgoingCall.objects.filter(pk__in=ids).sending().update(status=Status.QUEUED)


def has_waiting(account_id: int, known: Collection[UUID]) -> bool:
    """Whether there are calls that `waiting` would give."""
    return OutgoingCall.objects.of_bot(account_id).waiting().exclude(pk__in=known).exists()


def waiting(account_id: int, known: Collection[UUID], limit: int) -> list[StoredCall]:
    """Waiting calls that nobody in this process knows of, in order. A row that cannot be read is marked failed."""
    rows = OutgoingCall.objects.of_bot(account_id).waiting().exclude(pk__in=known).order_by("pk")
    found: list[StoredCall] = []
    for key, path, params, update_id in rows.values_list("pk", "method", "params", "update_id")[:limit]:
        try:
            found.append(StoredCall(key, restored(path, params), update_id))
        except (KeyError, ValueError) as error:
            record([CallOutcome(key, Status.FAILED, f"This row cannot be sent: {error!r}")], timezone.now())
    return found
