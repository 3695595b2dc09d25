"""Which rows of the outbox may be sent now. Asked in a few statements that read by index, however many rows wait."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from vkteams_bot.limits import Priority
from vkteams_bot.models import BotAccount, OutgoingCall
from vkteams_bot.stores import sql

SEEN = 2_000
"""How many rows of one kind a claim looks at, at most: more than that to busy chats hold up those behind them."""
LOCK_CLASS = 0x766B7462
"""The first number of PostgreSQL's advisory lock; the second is the account."""
DELAYED = "status = 'queued' AND origin = 'delayed'"
"""As the index vkteams_bot_call_due has it."""
RECIPIENT = "status = 'queued' AND origin = 'broadcast'"
"""As the index vkteams_bot_call_bulk has it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that may be sent now. `broadcast_id` is None for a delayed call."""

    id: UUID
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
class Source:
    """A broadcast that may send now. `alone`: only while no other row of it is on its way."""

    id: int
    alone: bool = False


@dataclass(frozen=True, slots=True)
class DueAccount:
    """An account with delayed calls that are due: for the queue of replies, for that of broadcasts."""

    id: int
    replies: bool
    bulk: bool


def due_accounts(now: datetime) -> list[DueAccount]:
    """Accounts with delayed calls that are due. One statement, a few index probes per account."""
    calls, accounts = sql.table(OutgoingCall), sql.table(BotAccount)

    def waits(priority: Priority) -> str:
        mine = f"SELECT 1 FROM {calls} WHERE {DELAYED} AND account_id = accounts.id AND priority = {priority:d}"
        # Not EXISTS: with an order PostgreSQL asks the index, without one it may read the table for the first match.
        first = "ORDER BY due_at, id LIMIT 1"
        return f"({mine} AND due_at IS NULL {first}) = 1 OR ({mine} AND due_at <= %s {first}) = 1"

    moment = sql.time_parameter(now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, ({waits(Priority.REPLY)} OR {waits(Priority.NOTIFICATION)}), "
            f"({waits(Priority.BULK)}) FROM {accounts} AS accounts",
            [moment] * 3,
        )
        accounts_due = [DueAccount(key, bool(replies), bool(bulk)) for key, replies, bulk in cursor.fetchall()]
    return [account for account in accounts_due if account.replies or account.bulk]


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
        waiting = f"{DELAYED} AND account_id = {account_id:d} AND priority = {priority:d} AND due_at"
        arms.append(_arm(priority, 0, "created_at", f"{waiting} IS NULL ORDER BY due_at, id", account_id, room))
        arms.append(_arm(priority, 0, "due_at", f"{waiting} <= %s ORDER BY due_at, id", account_id, room))
        moments.append(moment)
    for source in sources:
        waiting = f"{RECIPIENT} AND broadcast_id = {source.id:d} AND (due_at IS NULL OR due_at <= %s)"
        arm = _arm(Priority.BULK, source.id, "created_at", f"{waiting} ORDER BY id", account_id, room)
        arms.append(_alone(source.id, arm, account_id) if source.alone else arm)
        moments.append(moment)
    on_the_way = f"status = 'sending' AND account_id = {account_id:d} AND origin <> 'reply'"
    busy = f"SELECT chat_id FROM {sql.table(OutgoingCall)} WHERE {on_the_way}"
    given = f"SELECT chat_id FROM ({sql.source({'chat_id': 'text'})}) AS given"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH busy AS ({busy} UNION ALL {given}) {' UNION ALL '.join(arms)}",
            [sql.rows_parameter([[chat_id] for chat_id in throttled]), *moments],
        )
        return [
            Candidate(sql.as_uuid(key), chat_id, Priority(priority), source or None, attempts > 0, since)
            for key, chat_id, priority, source, attempts, since in cursor.fetchall()
        ]


def _arm(priority: Priority, source: int, since: str, waiting: str, account_id: int, room: int) -> str:
    """A part of the statement: one kind of waiting rows, read by its index only as far as needed.

    Within a chat the order of writing holds: nothing overtakes a call that was put back.
    """
    calls = sql.table(OutgoingCall)
    earlier = (
        f"SELECT 1 FROM {calls} AS back WHERE back.status = 'queued' AND back.attempts > 0 "
        f"AND back.account_id = {account_id:d} AND back.chat_id = seen.chat_id AND back.id < seen.id "
        "AND back.origin <> 'reply'"
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
