"""A database that is not the one that this version, or this process, needs: waiting would not help."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, Error, connections

MISSING = ("42P01", "42703")
"""SQLSTATEs of PostgreSQL: no such table, no such column."""
SQLITE_MISSING = re.compile(r"no such (table|column): |table \S+ has no column named ")


class NotMigrated(Exception):
    """The tables are not those of this version, and waiting would not help. The text says what to do."""

    def __init__(self, error: BaseException) -> None:
        what = str(error).partition("\n")[0]
        super().__init__(f"the tables in the database are not those of this version ({what}): run manage.py migrate")


def is_unmigrated(error: BaseException) -> bool:
    """A statement met a table or column that is not there."""
    cause = error.__cause__
    if not isinstance(error, Error) or cause is None:
        return False
    if isinstance(cause, sqlite3.Error):
        return SQLITE_MISSING.match(str(cause)) is not None
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)  # psycopg, psycopg2
    return state in MISSING


class DatabaseReplaced(Exception):
    """Another file stands in the place of the database. In WAL mode SQLite writes on into the old one."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is not the file any more that this process has opened, and what it wrote since may stand in that "
            "one: stop runbot before you replace the database, and start it again"
        )


class DatabaseFile:
    """Of the default database, as it is now. For a server, and for a database in memory, there is none."""

    def __init__(self) -> None:
        connection = connections[DEFAULT_DB_ALIAS]
        self._path = Path(connection.settings_dict["NAME"]) if connection.vendor == "sqlite" else None
        self._was = self._identity()

    def check(self) -> None:
        """Raises DatabaseReplaced. While there is no file nothing is said: it may be put back."""
        is_now = self._identity()
        if self._path is not None and self._was is not None and is_now is not None and is_now != self._was:
            raise DatabaseReplaced(self._path)

    def _identity(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
