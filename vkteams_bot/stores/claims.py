"""Which worker sends which row of the outbox. A batch of rows is claimed in a few statements, however many wait."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from vkteams_bot.limits import Priority
from vkteams_bot.models import BotAccount, OutgoingCall
from vkteams_bot.stores import sql
from vkteams_bot.stores.queue import WAITING_CALL

SEEN = 2_000
"""How many rows of one kind a claim looks at, at most: more than that to busy chats hold up those behind them."""
LOCK_CLASS = 0x766B7462
"""The first number of PostgreSQL's advisory lock; the second is the account."""
ON_THE_WAY = "status = 'sending' AND sender = 'worker'"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that may be sent now. `broadcast_id` is None for a delayed call."""

    id: Any
    chat_id: str
    priority: Priority
    broadcast_id: int | None
    was_put_back: bool
    since: Any

    @property
    def rank(self) -> tuple[bool, Any]:
        """What was put back goes first, then what has waited longest."""
        return not self.was_put_back, self.since


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that this process sends; it is ours as long as `until` stands in it."""

    id: UUID
    method: str
    chat_id: str
    params: dict[str, Any]
    broadcast_id: int | None
    attempts: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """A broadcast that may send now. `alone`: only while no other row of it is on its way."""

    id: int
    alone: bool = False


def lock(account_id: int) -> None:
    """First statement of a transaction that claims: one at a time per account."""
    with connection.cursor() as cursor:
        if sql.is_postgres():
            cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK_CLASS}, {account_id:d})")
        else:  # a write takes SQLite's only write lock before anything is read
            cursor.execute(f"UPDATE {sql.table(BotAccount)} SET alias = alias WHERE id = {account_id:d}")


def candidates(
    account_id: int,
    now: datetime,
    *,
    room: int,
    priorities: Sequence[Priority],
    sources: Sequence[Source],
    throttled: Collection[str],
) -> list[Candidate]:
    """Up to `room` rows of each kind that may be sent now, in order, without those to busy and `throttled` chats."""
    moment = sql.time_parameter(now)
    arms: list[str] = []
    moments: list[str | None] = []
    for priority in priorities:
        waiting = f"{WAITING_CALL} AND account_id = {account_id:d} AND priority = {priority:d} AND due_at"
        arms.append(_arm(priority, 0, "created_at", f"{waiting} IS NULL ORDER BY due_at, id", account_id, room))
        arms.append(_arm(priority, 0, "due_at", f"{waiting} <= %s ORDER BY due_at, id", account_id, room))
        moments.append(moment)
    for source in sources:
        waiting = f"status = 'queued' AND broadcast_id = {source.id:d} AND (due_at IS NULL OR due_at <= %s)"
        arm = _arm(Priority.BULK, source.id, "created_at", f"{waiting} ORDER BY id", account_id, room)
        arms.append(_alone(source.id, arm, account_id) if source.alone else arm)
        moments.append(moment)
    busy = f"SELECT chat_id FROM {sql.table(OutgoingCall)} WHERE {ON_THE_WAY} AND account_id = {account_id:d}"
    given = f"SELECT chat_id FROM ({sql.source({'chat_id': 'text'})}) AS given"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH busy AS ({busy} UNION ALL {given}) {' UNION ALL '.join(arms)}",
            [sql.rows_parameter([[chat_id] for chat_id in throttled]), *moments],
        )
        return [
            Candidate(key, chat_id, Priority(priority), source or None, attempts > 0, since)
            for key, chat_id, priority, source, attempts, since in cursor.fetchall()
        ]


def _arm(priority: Priority, source: int, since: str, waiting: str, account_id: int, room: int) -> str:
    """A part of the statement: one kind of waiting rows, read by its index only as far as needed.

    Within a chat the order of writing holds: nothing overtakes a call that was put back.
    """
    calls = sql.table(OutgoingCall)
    earlier = (
        f"SELECT 1 FROM {calls} AS back WHERE back.status = 'queued' AND back.sender = 'worker' "
        f"AND back.attempts > 0 AND back.account_id = {account_id:d} AND back.chat_id = seen.chat_id "
        "AND back.id < seen.id"
    )
    return (
        f"SELECT * FROM (SELECT id, chat_id, {priority:d} AS priority, {source:d} AS source, attempts, "
        f"{since} AS since FROM (SELECT id, chat_id, attempts, due_at, created_at FROM {calls} "
        f"WHERE {waiting} LIMIT {SEEN}) AS seen "
        f"WHERE chat_id = '' OR (chat_id NOT IN (SELECT chat_id FROM busy) AND NOT EXISTS ({earlier})) "
        f"LIMIT {room:d}) AS arm_{priority:d}_{source:d}_{since}"
    )


def _alone(broadcast_id: int, arm: str, account_id: int) -> str:
    other = (
        f"SELECT 1 FROM {sql.table(OutgoingCall)} AS other WHERE other.status = 'sending' "
        f"AND other.account_id = {account_id:d} AND other.broadcast_id = {broadcast_id:d}"
    )
    return f"SELECT * FROM ({arm} WHERE NOT EXISTS ({other}) LIMIT 1) AS alone_{broadcast_id:d}"


def take(chosen: Sequence[Candidate], until: datetime) -> list[Claim]:
    """Claim rows, in the order given; those that somebody changed meanwhile are left out."""
    if not chosen:
        return []
    calls = sql.table(OutgoingCall)
    keys = [candidate.id for candidate in chosen]
    places = ", ".join(["%s"] * len(keys))
    skip = " FOR UPDATE SKIP LOCKED" if sql.is_postgres() else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {calls} SET status = 'sending', claimed_until = %s WHERE id IN "
            f"(SELECT id FROM {calls} WHERE id IN ({places}) AND status = 'queued'{skip}) "
            "RETURNING id, method, chat_id, params, broadcast_id, attempts",
            [sql.time_parameter(until), *keys],
        )
        rows = {row[0]: row for row in cursor.fetchall()}
    return [_claim(rows[key], until) for key in keys if key in rows]


def _claim(row: Sequence[Any], until: datetime) -> Claim:
    key, method, chat_id, params, broadcast_id, attempts = row
    return Claim(
        id=key if isinstance(key, UUID) else UUID(key),
        method=method,
        chat_id=chat_id,
        params=json.loads(params) if isinstance(params, str) else params,
        broadcast_id=broadcast_id,
        attempts=attempts,
        until=until,
    )
