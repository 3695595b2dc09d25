"""The outbox. One row, one life; every statement that changes the status of an outgoing call stands here.

    insert ──► queued ──── claim ────► sending ──── record ────► sent | failed | unknown
                 ▲  ▲                   │    │                        │        │
                 │  ├───── release ─────┘    ├─ recover ──► unknown   │        │
                 │  └─ record, recover ──────┘                        │        │
                 └──────────────────── requeue (an operator) ─────────┴────────┘
    queued | failed | unknown ──── drop (an operator, a broadcast that ended) ──► dropped

A reply of a handler, a delayed call and a recipient of a broadcast live the same life; a reply may be born claimed. A
claim is a lease: it names the process (`claimed_by`) and ends (`claimed_until`) unless that process renews it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from vkteams_bot.api.methods import METHODS
from vkteams_bot.limits import Priority
from vkteams_bot.models import OutgoingCall
from vkteams_bot.models.calls import OutgoingCallQuerySet
from vkteams_bot.stores import sql

Status = OutgoingCall.Status
Origin = OutgoingCall.Origin

LOST = "The process died, or lost the database, after the request may have left, before the answer was recorded."
ROWS_PER_STATEMENT = 5_000
MOST_ATTEMPTS = 30_000
"""What the column holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """A row to be written. `claimed`: the writer sends it at once."""

    id: UUID
    method: str
    chat_id: str
    params: dict[str, Any]
    origin: str
    priority: Priority = Priority.REPLY
    update_id: int | None = None
    broadcast_id: int | None = None
    due_at: datetime | None = None
    claimed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedCall:
    """A row that is ours to send."""

    id: UUID
    method: str
    chat_id: str
    params: dict[str, Any] = field(default_factory=dict)
    origin: str
    broadcast_id: int | None = None
    attempts: int = 0
    retry_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a claimed row. `queued`: it waits again, until `due_at`, and is not tried after `retry_until`."""

    id: UUID
    status: str
    attempts: int
    error: str = ""
    msg_id: str = ""
    due_at: datetime | None = None
    retry_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many claims without a holder wait again, and of how many nobody knows what became."""

    again: int
    unknown: int


_INSERTED = (
    "id",
    "update_id",
    "broadcast_id",
    "origin",
    "priority",
    "method",
    "chat_id",
    "params",
    "status",
    "due_at",
)


def insert(
    account_id: int, calls: Sequence[NewCall], now: datetime, *, claimed_by: str = "", claim_seconds: float = 0
) -> None:
    """Write rows, in this order. One that stands here already, or whose broadcast has its chat already, is left out."""
    same = {"account_id": account_id, "created_at": sql.time_parameter(now)}
    computed = {
        "claimed_by": (f"CASE WHEN status = '{Status.SENDING}' THEN %s ELSE '' END", [claimed_by]),
        "claimed_until": (f"CASE WHEN status = '{Status.SENDING}' THEN {sql.later(claim_seconds)} END", []),
    }
    for start in range(0, len(calls), ROWS_PER_STATEMENT):
        rows = [
            (
                sql.id_parameter(call.id),
                call.update_id,
                call.broadcast_id,
                call.origin,
                call.priority,
                call.method,
                sql.identifier(call.chat_id),
                sql.json_parameter(call.params),
                Status.SENDING if call.claimed else Status.QUEUED,
                sql.time_parameter(call.due_at),
            )
            for call in calls[start : start + ROWS_PER_STATEMENT]
        ]
        conflict = "ON CONFLICT DO NOTHING"
        sql.insert(OutgoingCall, _INSERTED, rows, same=same, computed=computed, ordered=True, then=conflict)


def claim(ids: Sequence[UUID], by: str, seconds: float) -> list[ClaimedCall]:
    """Claim waiting rows, in the order given; those that somebody else changed meanwhile are left out.

    Claiming again what is claimed by the same holder gives it again: a commit may have been lost without an answer.
    """
    if not ids:
        return []
    calls = sql.table(OutgoingCall)
    places = ", ".join(["%s"] * len(ids))
    skip = " FOR UPDATE SKIP LOCKED" if sql.is_postgres() else ""
    # Not OR: PostgreSQL would read all that waits by the indexes of the two statuses, instead of these by their ids.
    claimable = "CASE status WHEN 'queued' THEN TRUE WHEN 'sending' THEN claimed_by = %s ELSE FALSE END"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {calls} SET status = 'sending', claimed_by = %s, claimed_until = {sql.later(seconds)} "
            f"WHERE id IN (SELECT id FROM {calls} WHERE id IN ({places}) "
            f"AND {claimable}{skip}) "
            "RETURNING id, method, chat_id, params, origin, broadcast_id, attempts, retry_until",
            [by, *map(sql.id_parameter, ids), by],
        )
        rows = {sql.as_uuid(row[0]): row for row in cursor.fetchall()}
    return [_claimed(rows[key]) for key in ids if key in rows]


def _claimed(row: Sequence[Any]) -> ClaimedCall:
    key, method, chat_id, params, origin, broadcast_id, attempts, retry_until = row
    return ClaimedCall(
        id=sql.as_uuid(key),
        method=method,
        chat_id=chat_id,
        params=json.loads(params) if isinstance(params, str) else params,
        origin=origin,
        broadcast_id=broadcast_id,
        attempts=attempts,
        retry_until=sql.as_moment(retry_until),
    )


_RECORDED = ("id", "status", "error", "msg_id", "due_at", "retry_until", "attempts")


def record(results: Sequence[Result], by: str, now: datetime) -> None:
    """Write what became of rows; doing it twice changes nothing.

    A row that is not ours any more changes only if it was sent after all, or if nobody knew what became of it.
    """
    rows = [
        (
            sql.id_parameter(result.id),
            result.status,
            result.error,
            sql.identifier(result.msg_id, 64),
            sql.time_parameter(result.due_at),
            sql.time_parameter(result.retry_until),
            min(result.attempts, MOST_ATTEMPTS),
        )
        for result in results
    ]
    calls = sql.table(OutgoingCall)
    done = sql.source(sql.columns(OutgoingCall, *_RECORDED)) + sql.at_most(len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {calls} SET status = done.status, error = done.error, msg_id = done.msg_id, "
            f"due_at = COALESCE(done.due_at, {calls}.due_at), attempts = done.attempts, "
            f"retry_until = COALESCE({calls}.retry_until, done.retry_until), "
            f"finished_at = CASE WHEN done.status = 'queued' THEN NULL ELSE {sql.moment_placeholder()} END, "
            f"claimed_by = '', claimed_until = NULL FROM ({done}) AS done WHERE {calls}.id = done.id "
            f"AND (done.status = 'sent' OR {calls}.status = 'unknown' "
            f"OR ({calls}.status = 'sending' AND {calls}.claimed_by = %s))",
            [sql.time_parameter(now), sql.rows_parameter(rows), by],
        )


def renew(ids: Collection[UUID], by: str, seconds: float) -> None:
    """These claims of this holder last so much longer."""
    if not ids:
        return
    places = ", ".join(["%s"] * len(ids))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {sql.table(OutgoingCall)} SET claimed_until = {sql.later(seconds)} "
            f"WHERE status = 'sending' AND claimed_by = %s AND id IN ({places})",
            [by, *map(sql.id_parameter, ids)],
        )


def release(account_id: int, by: str, *, ids: Collection[UUID] | None = None, keep: Collection[UUID] = ()) -> None:
    """Claimed rows of this holder, nothing of which has left, wait again: these, or all but those to `keep`."""
    claims = OutgoingCall.objects.sending().filter(account_id=account_id, claimed_by=by)
    claims = claims.exclude(pk__in=keep) if ids is None else claims.filter(pk__in=ids)
    claims.update(status=Status.QUEUED, claimed_by="", claimed_until=None)


def recover(*, resend: bool, attempts: int, account_id: int | None = None) -> Recovered:
    """Take claims from holders that are gone: what may be sent twice waits again, of the rest nobody knows.

    Gone are those that did not renew in time and, with an `account_id`, whoever polled for that account before: its
    lease was taken, so it cannot write any more. Nothing is repeated after so many `attempts`.
    """
    now = timezone.now()
    if account_id is None:
        gone = OutgoingCall.objects.sending().filter(claimed_until__lt=sql.clock())
    else:
        gone = OutgoingCall.objects.replies(account_id).sending()
    repeatable = Q(attempts__lt=attempts) if resend else Q(attempts__lt=attempts, method__in=_safe_to_repeat())
    with transaction.atomic():
        again = gone.filter(repeatable).update(
            status=Status.QUEUED, claimed_by="", claimed_until=None, attempts=F("attempts") + 1
        )
        unknown = gone.update(
            status=Status.UNKNOWN,
            error=LOST,
            claimed_by="",
            claimed_until=None,
            attempts=F("attempts") + 1,
            finished_at=now,
        )
    return Recovered(again, unknown)


def _safe_to_repeat() -> list[str]:
    return [path for path, method in METHODS.items() if method.safe_to_repeat]


def requeue(calls: OutgoingCallQuerySet) -> int:
    """An operator lets failed and unknown ones be sent again, as if they were new; how many."""
    return calls.open().update(
        status=Status.QUEUED, error="", attempts=0, due_at=None, retry_until=None, finished_at=None
    )


def move(calls: OutgoingCallQuerySet, account_id: int) -> int:
    """Let another identity of the bot send waiting ones, but for those of broadcasts, which are its own; how many."""
    calls = calls.filter(status=Status.QUEUED).exclude(origin=Origin.BROADCAST)
    return calls.update(account=account_id, update=None)


def drop(calls: OutgoingCallQuerySet) -> int:
    """Give up failed, unknown and waiting ones; how many."""
    return calls.filter(status__in=(*OutgoingCall.OPEN, Status.QUEUED)).update(
        status=Status.DROPPED, finished_at=timezone.now()
    )
