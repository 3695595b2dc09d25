"""Where state is kept. This module stands on the ORM side of the house: nothing else in `fsm` imports it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from django.core.cache import caches
from django.db import connection
from django.utils import timezone

from vkteams_bot.fsm import storage
from vkteams_bot.fsm.keys import StateKey
from vkteams_bot.fsm.storage import StateRecord
from vkteams_bot.models import Conversation
from vkteams_bot.stores import sql

__all__ = ["CacheStorage", "MemoryStorage", "OrmStorage"]

LONGEST_PART = 90


class MemoryStorage(storage.MemoryStorage):
    """A dict: state ends with the process."""

    def __init__(self, account_id: int, alias: str) -> None:
        super().__init__()


class OrmStorage:
    """`Conversation` rows, saved in the transaction that finishes the update."""

    def __init__(self, account_id: int, alias: str) -> None:
        self.account_id = account_id
        self.alias = alias

    def load(self, keys: Collection[StateKey]) -> dict[StateKey, StateRecord]:
        """One query for any number of keys; expired ones come back empty."""
        wanted = {self._row_key(key): key for key in keys}
        source = sql.source({"chat_id": "text", "user_id": "text"}) + sql.at_most(len(wanted))
        conversations = sql.table(Conversation)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.chat_id, c.user_id, c.state, c.data, c.version, c.expires_at "
                f"FROM ({source}) AS wanted JOIN {conversations} AS c "
                "ON c.account_id = %s AND c.chat_id = wanted.chat_id AND c.user_id = wanted.user_id",
                [sql.rows_parameter(list(wanted)), self.account_id],
            )
            rows = cursor.fetchall()
        now = timezone.now()
        return {wanted[row[0], row[1]]: _record(row, now) for row in rows}

    def save(self, records: Mapping[StateKey, StateRecord]) -> None:
        """One statement. A row whose version has moved on meanwhile (an operator edited it) is left alone."""
        names = ("account_id", "chat_id", "user_id", "state", "data", "version", "expires_at", "updated_at")
        now = sql.time_parameter(timezone.now())
        rows = [
            (
                self.account_id,
                *self._row_key(key),
                record.state,
                sql.json_parameter(dict(record.data)),
                record.version + 1,
                sql.time_parameter(record.expires_at),
                now,
            )
            for key, record in records.items()
        ]
        conversations = sql.table(Conversation)
        changes = ", ".join(
            f"{name} = excluded.{name}" for name in ("state", "data", "version", "expires_at", "updated_at")
        )
        newer = (
            f"ON CONFLICT (account_id, chat_id, user_id) DO UPDATE SET {changes} "
            f"WHERE {conversations}.version = excluded.version - 1"
        )
        sql.insert(Conversation, names, rows, then=newer)

    @staticmethod
    def _row_key(key: StateKey) -> tuple[str, str]:
        return sql.identifier(key.chat_id), sql.identifier(key.user_id)


class CacheStorage:
    """Any Django cache (`django-redis` in production).

    The cache is written just before the update is finished in the database: a crash between the two runs the handler
    again over the state that it has already changed.
    """

    def __init__(self, account_id: int, alias: str) -> None:
        self.account_id = account_id
        self.alias = alias

    def load(self, keys: Collection[StateKey]) -> dict[StateKey, StateRecord]:
        names = {self._name(key): key for key in keys}
        found = caches["default"].get_many(names)
        now = timezone.now()
        records = {names[name]: StateRecord(**value) for name, value in found.items()}
        return {key: record for key, record in records.items() if record.expires_at is None or record.expires_at > now}

    def save(self, records: Mapping[StateKey, StateRecord]) -> None:
        now = timezone.now()
        stored = self.load(records)
        for key, record in records.items():
            name = self._name(key)
            if key in stored and stored[key].version != record.version:
                continue
            if record.state is None and not record.data:
                caches["default"].delete(name)
                continue
            seconds = (record.expires_at - now).total_seconds() if record.expires_at else None
            value = {
                "state": record.state,
                "data": dict(record.data),
                "version": record.version + 1,
                "expires_at": record.expires_at,
            }
            caches["default"].set(name, value, seconds)

    def _name(self, key: StateKey) -> str:
        return f"vkteams_bot:fsm:{self.account_id}:{_quoted(key.chat_id)}:{_quoted(key.user_id)}"


def _quoted(part: str) -> str:
    """As a part of a cache key: memcached takes 250 printable characters."""
    quoted = quote(part, errors="replace")
    return quoted if len(quoted) <= LONGEST_PART else hashlib.blake2b(quoted.encode(), digest_size=16).hexdigest()


def _record(row: tuple[Any, ...], now: datetime) -> StateRecord:
    _, _, state, data, version, expires_at = row
    if expires_at is not None and expires_at.tzinfo is None:  # SQLite: UTC without saying so
        expires_at = expires_at.replace(tzinfo=UTC)
    if expires_at is not None and expires_at <= now:
        return StateRecord(None, {}, version)
    return StateRecord(state, json.loads(data) if isinstance(data, str) else data, version, expires_at)
