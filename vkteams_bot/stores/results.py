"""What became of claimed rows. A batch of results is one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from vkteams_bot.models import Chat, OutgoingCall
from vkteams_bot.stores import sql
from vkteams_bot.stores.claims import Claim

MOST_ATTEMPTS = 30_000
"""What the column holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a claim. `queued` puts it back, not before `due_at`; `counts`: as an attempt that failed."""

    claim: Claim
    status: str
    error: str = ""
    msg_id: str = ""
    due_at: datetime | None = None
    counts: bool = True


def record(results: Sequence[Result], now: datetime) -> None:
    """Write results. A row that is no longer ours changes only if it was sent, or if nobody knew what became of it."""
    columns = {
        "id": "uuid",
        "until": "time",
        "status": "text",
        "error": "text",
        "msg_id": "text",
        "due_at": "time",
        "attempts": "int",
        "finished_at": "time",
    }
    finished = sql.time_parameter(now)
    rows = [
        (
            sql.id_parameter(item.claim.id),
            sql.time_parameter(item.claim.until),
            item.status,
            item.error,
            sql.identifier(item.msg_id, 64),
            sql.time_parameter(item.due_at),
            int(item.status == OutgoingCall.Status.QUEUED and item.counts and item.claim.attempts < MOST_ATTEMPTS),
            None if item.status == OutgoingCall.Status.QUEUED else finished,
        )
        for item in results
    ]
    calls = sql.table(OutgoingCall)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {calls} SET status = done.status, error = done.error, msg_id = done.msg_id, claimed_until = NULL, "
            f"due_at = COALESCE(done.due_at, {calls}.due_at), attempts = {calls}.attempts + done.attempts, "
            "finished_at = done.finished_at "
            f"FROM ({sql.source(columns)}{sql.at_most(len(rows))}) AS done WHERE {calls}.id = done.id "
            f"AND (done.status = 'sent' OR {calls}.status = 'unknown' "
            f"OR ({calls}.status = 'sending' AND {calls}.claimed_until = done.until))",
            [sql.rows_parameter(rows)],
        )


def renew(claims: Sequence[Claim], until: datetime) -> None:
    """Claims that are still ours stay so until then."""
    rows = [(sql.id_parameter(claim.id), sql.time_parameter(claim.until)) for claim in claims]
    calls = sql.table(OutgoingCall)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {calls} SET claimed_until = %s "
            f"FROM ({sql.source({'id': 'uuid', 'until': 'time'})}{sql.at_most(len(rows))}) AS mine "
            f"WHERE {calls}.id = mine.id AND {calls}.status = 'sending' AND {calls}.claimed_until = mine.until",
            [sql.time_parameter(until), sql.rows_parameter(rows)],
        )


def unclaim(claims: Sequence[Claim]) -> None:
    """Rows whose claim may have been committed without an answer wait again: nothing has left."""
    batches: dict[datetime, list[UUID]] = defaultdict(list)
    for claim in claims:
        batches[claim.until].append(claim.id)
    for until, keys in batches.items():
        ours = OutgoingCall.objects.sending().filter(pk__in=keys, claimed_until=until)
        ours.update(status=OutgoingCall.Status.QUEUED, claimed_until=None)


def mark_unreachable(account_id: int, reasons: Mapping[str, str], now: datetime) -> None:
    """Chats (id -> reason) to which a send was refused for good."""
    columns = {"account_id": "int", "chat_id": "text", "reason": "text", "at": "time"}
    moment = sql.time_parameter(now)
    rows = [(account_id, chat_id, sql.storable(reason, 255), moment) for chat_id, reason in sorted(reasons.items())]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {sql.table(Chat)} "
            "(account_id, chat_id, type, title, created_at, unreachable_at, unreachable_reason) "
            f"SELECT account_id, chat_id, '', '', at, at, reason FROM ({sql.source(columns)}) AS given WHERE true "
            "ON CONFLICT (account_id, chat_id) DO UPDATE SET unreachable_at = excluded.unreachable_at, "
            "unreachable_reason = excluded.unreachable_reason",
            [sql.rows_parameter(rows)],
        )
