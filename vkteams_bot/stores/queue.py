"""What Celery workers send: rows of the outbox that wait for them, and those that a dead worker left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from vkteams_bot.api.methods import METHODS, Method
from vkteams_bot.limits import Priority
from vkteams_bot.models import BotAccount, OutgoingCall
from vkteams_bot.stores import sql
from vkteams_bot.stores.outbox import storable
from vkteams_bot.stores.uuid7 import uuid7

Status = OutgoingCall.Status
ABANDONED = "The worker died, or lost the database, after the request may have left, before the answer was recorded."
ROWS_PER_STATEMENT = 5_000

WAITING_CALL = "status = 'queued' AND sender = 'worker' AND broadcast_id IS NULL"
"""As the index vkteams_bot_call_due has it."""


@dataclass(frozen=True, slots=True)
class DueAccount:
    """An account with calls that wait and are due: for the queue of replies, for that of broadcasts."""

    id: int
    alias: str
    replies: bool
    bulk: bool


def account_of(alias: str, user_id: str) -> int:
    """The account that a bot's delayed calls belong to; made when the bot has never run."""
    found = BotAccount.objects.id_for(alias, user_id)
    if found is not None:
        return found
    account, _ = BotAccount.objects.get_or_create(alias=alias, user_id=user_id)
    return account.pk


def insert(
    account_id: int,
    methods: Sequence[Method[Any]],
    *,
    parse_mode: str | None,
    due_at: datetime | None,
    priority: Priority,
    now: datetime,
) -> list[UUID]:
    """Write calls for workers, in this order; their ids. Raises InvalidCall for a file that no row can hold."""
    calls = [(uuid7(), method, storable(method, parse_mode)) for method in methods]
    due, created = sql.time_parameter(due_at), sql.time_parameter(now)
    rows = [
        (
            sql.id_parameter(key),
            account_id,
            method.path,
            sql.identifier(method.chat or ""),
            sql.json_parameter(params),
            priority.value,
            due,
            created,
        )
        for key, method, params in calls
    ]
    with transaction.atomic():
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            _insert(rows[start : start + ROWS_PER_STATEMENT])
    return [key for key, _, _ in calls]


def _insert(rows: Sequence[sql.Row]) -> None:
    columns = {
        "id": "uuid",
        "account_id": "int",
        "method": "text",
        "chat_id": "text",
        "params": "json",
        "priority": "int",
        "due_at": "time",
        "created_at": "time",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {sql.table(OutgoingCall)} "
            f"({', '.join(columns)}, sender, status, attempts, error, msg_id) "
            f"SELECT {', '.join(columns)}, 'worker', 'queued', 0, '', '' FROM ({sql.source(columns)}) AS given",
            [sql.rows_parameter(rows)],
        )


def due_accounts(now: datetime) -> list[DueAccount]:
    """Accounts with calls that are due, broadcasts apart. One statement, a few index probes per account."""
    calls, accounts = sql.table(OutgoingCall), sql.table(BotAccount)

    def waits(priority: Priority) -> str:
        mine = f"SELECT 1 FROM {calls} WHERE {WAITING_CALL} AND account_id = accounts.id AND priority = {priority:d}"
        # Not EXISTS: with an order PostgreSQL asks the index, without one it may read the table for the first match.
        first = "ORDER BY due_at, id LIMIT 1"
        return f"({mine} AND due_at IS NULL {first}) = 1 OR ({mine} AND due_at <= %s {first}) = 1"

    moment = sql.time_parameter(now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, alias, ({waits(Priority.REPLY)} OR {waits(Priority.NOTIFICATION)}), "
            f"({waits(Priority.BULK)}) FROM {accounts} AS accounts",
            [moment] * 3,
        )
        found = [DueAccount(key, alias, bool(replies), bool(bulk)) for key, alias, replies, bulk in cursor.fetchall()]
    return [account for account in found if account.replies or account.bulk]


def release_abandoned(now: datetime, *, resend: bool) -> tuple[int, int]:
    """Claims that nobody renews: what may be sent twice waits again, the rest is unknown. How many of each."""
    abandoned = OutgoingCall.objects.abandoned(now)
    repeatable = abandoned if resend else abandoned.filter(method__in=_safe_to_repeat())
    with transaction.atomic():
        again = repeatable.update(status=Status.QUEUED, claimed_until=None, attempts=F("attempts") + 1)
        unknown = abandoned.update(status=Status.UNKNOWN, error=ABANDONED, claimed_until=None, finished_at=now)
    return again, unknown


def _safe_to_repeat() -> list[str]:
    return [path for path, method in METHODS.items() if method.safe_to_repeat]
