"""A table or column that is not there: neither an outage nor the failure of one piece of work."""

from __future__ import annotations

import re
import sqlite3

from django.db import Error

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
