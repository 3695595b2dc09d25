"""The databases of the suite: what a project's settings say of them, what stands in them, and their faults."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.services import PrivatePostgres

SQLITE_OPTIONS: dict[str, dict[str, Any]] = {
    "WAL, IMMEDIATE": {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    },
    "WAL, DEFERRED": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;", "timeout": 5},
    "as startproject": {},
}
"""As the README advises; without IMMEDIATE; no options at all: a rollback journal, DEFERRED, 5 s."""


class Database:
    """What stands there, by SQL on the tables of the public models."""

    label: str
    settings: dict[str, Any]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def updates(self) -> Counter[str]:
        return Counter(dict(self.query("SELECT status, count(*) FROM vkteams_bot_update GROUP BY status")))

    def calls(self) -> list[tuple[str, str, str]]:
        """Chat, text and status of every outgoing call, in the order of writing."""
        rows = self.query("SELECT chat_id, params, status FROM vkteams_bot_outgoingcall ORDER BY id")
        return [
            (chat_id, (json.loads(params) if isinstance(params, str) else params).get("text", ""), status)
            for chat_id, params, status in rows
        ]

    def call_statuses(self) -> Counter[str]:
        return Counter(dict(self.query("SELECT status, count(*) FROM vkteams_bot_outgoingcall GROUP BY status")))


class Sqlite(Database):
    """A file. `mode` is a key of SQLITE_OPTIONS."""

    def __init__(self, path: Path, template: Path, mode: str = "WAL, IMMEDIATE") -> None:
        self.path = path
        self.label = "SQLite" if mode == "WAL, IMMEDIATE" else f"SQLite ({mode})"
        self.settings = sqlite_settings(path, mode)
        shutil.copy(template, path)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path, timeout=60)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def lock(self, seconds: float) -> None:
        """Another process writes for so long."""
        other = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            other.execute("ROLLBACK")
        finally:
            other.close()

    def replace(self) -> Path:
        """Move it away and put a true copy in its place, as who restores a backup does. Returns where it is now."""
        away = self.path.with_name("away.sqlite3")
        copy = self.path.with_name("copy.sqlite3")
        source, target = sqlite3.connect(self.path, timeout=60), sqlite3.connect(copy)
        with source, target:
            source.backup(target)
        source.close()
        target.close()
        for suffix in ("-wal", "-shm", "-journal", ""):
            path = Path(f"{self.path}{suffix}")
            if path.exists():
                path.rename(f"{away}{suffix}")
        copy.rename(self.path)
        return away


class PostgreSQL(Database):
    """A database on a server of our own."""

    label = "PostgreSQL"

    def __init__(self, server: PrivatePostgres, template: str | None = None) -> None:
        self.server = server
        self.url = server.new_database()
        if template is not None:
            names = (sql.Identifier(urlsplit(url).path[1:]) for url in (self.url, template))
            with psycopg.connect(urlunsplit(urlsplit(self.url)._replace(path="/postgres")), autocommit=True) as admin:
                new, old = names
                admin.execute(sql.SQL("DROP DATABASE {}").format(new))
                admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(new, old))
        self.settings = self.settings_at("127.0.0.1")

    def settings_at(self, host: str, **options: Any) -> dict[str, Any]:
        parts = urlsplit(self.url)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path[1:],
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": host,
            "PORT": str(parts.port),
            "OPTIONS": options,
        }

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def restart(self, seconds: float) -> None:
        """As a power cut would, and so long until it is back."""
        self.server.stop()
        time.sleep(seconds)
        self.server.start()

    def terminate_sessions(self) -> None:
        self.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def sqlite_settings(path: Path, mode: str = "WAL, IMMEDIATE") -> dict[str, Any]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": SQLITE_OPTIONS[mode]}
