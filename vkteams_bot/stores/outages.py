"""What is an outage of the database, and how it is waited for.

An outage says nothing of the work that met it: the same work may succeed when it is repeated. Every other error is
the failure of whoever asked.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, Error, InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from vkteams_bot.backoff import DATABASE, Backoff

T = TypeVar("T")

OUTAGES: Mapping[str, str] = {
    "08000": "connection exception",
    "08001": "the connection could not be made",
    "08003": "the connection does not exist any more",
    "08004": "the server refused the connection",
    "08006": "the connection broke",
    "08007": "the connection broke in a commit; what is repeated here does no harm when it was done",
    "08P01": "PgBouncer says so of a server that is away or has no connection free",
    "25006": "read only: after a failover this is the standby",
    "25P03": "the server ended the session: idle in a transaction",
    "25P04": "the server ended the session: the transaction took too long",
    "40000": "rolled back for the sake of others",
    "40001": "rolled back for the sake of a concurrent transaction",
    "40003": "whether the statement was done is unknown, as when the connection broke",
    "40P01": "rolled back to end a deadlock",
    "53000": "the server lacks something",
    "53100": "its disk is full",
    "53200": "its memory is full",
    "53300": "all its connections are taken",
    "57000": "an operator intervened",
    "57P01": "an operator ended the session, or the server shuts down",
    "57P02": "another session crashed, and the server starts again",
    "57P03": "the server starts, recovers or shuts down",
    "57P04": "the database was dropped, as before it is restored",
    "57P05": "the server ended the session: idle",
    "58000": "the server's machine failed",
    "58030": "its disk fails",
}
"""SQLSTATEs that PostgreSQL gives for an outage, and why each is one.

Not among them: a statement that took too long or was cancelled (57014), that would not wait for a lock (55P03), that
needs more than its configuration grants (53400).
"""

SQLITE_OUTAGES: Mapping[int, str] = {
    sqlite3.SQLITE_BUSY: "another process writes",
    sqlite3.SQLITE_LOCKED: "another connection of this process writes",
    sqlite3.SQLITE_PROTOCOL: "other processes are all about to lock it",
    sqlite3.SQLITE_READONLY: "the file may not be written, or was replaced",
    sqlite3.SQLITE_IOERR: "the disk fails",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "the file, or its folder, is not there",
}
"""Primary result codes of SQLite for an outage. SQLITE_INTERRUPT is none: somebody cancelled the statement."""


def is_outage(error: BaseException) -> bool:
    """The database is away or busy, for whoever asks."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return False
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        # Python's own complaints about how it is called have no code.
        return getattr(cause, "sqlite_errorcode", -1) & 0xFF in SQLITE_OUTAGES
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)  # psycopg, psycopg2
    if state is not None:
        return state in OUTAGES
    if isinstance(error, InterfaceError):  # of a connection that broke before
        return True
    # The client's own: no connection could be made, or it broke, or the pool has none.
    module = type(cause).__module__.partition(".")[0]
    return isinstance(error, OperationalError) and module in ("psycopg", "psycopg2", "psycopg_pool")


_CONNECT = inspect.unwrap(BaseDatabaseWrapper.connect).__code__


def is_connection_refused(error: BaseException, alias: str = DEFAULT_DB_ALIAS) -> bool:
    """No connection to this database could be had at all: whatever was to be done there has not begun."""
    trace = error.__traceback__ if is_outage(error) else None
    while trace is not None:
        if trace.tb_frame.f_code is _CONNECT and trace.tb_frame.f_locals["self"].alias == alias:
            return True
        trace = trace.tb_next
    return False


class OutageWait:
    """Waits for a lost database: says so once, tries again ever more rarely, says when it is back.

        outage = OutageWait(logger)
        while True:
            try:
                work()
            except Error as error:
                time.sleep(outage.failed(error))
            else:
                outage.recovered()

    `patience`: seconds that one outage is waited for, None: for ever. `stop`: whether to wait no more.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        extra: Mapping[str, Any] | None = None,
        backoff: Backoff = DATABASE,
        patience: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._extra = {**(extra or {}), "condition": "database_away"}
        self._backoff = backoff
        self._patience = patience
        self._stop = stop
        self._clock = clock
        self._failures = 0
        self._began = 0.0

    @property
    def failures(self) -> int:
        """Tries in a row that failed; 0 when there is no outage."""
        return self._failures

    def failed(self, error: BaseException) -> float:
        """Seconds until the next try. Raises the error when it is no outage, or this one was waited for long enough."""
        if not is_outage(error) or self._stop():
            raise error
        if not self._failures:
            self._began = self._clock()
        elif self._patience is not None and self._clock() - self._began >= self._patience:
            raise error
        self._failures += 1
        level = logging.WARNING if self._failures == 1 else logging.DEBUG
        self._logger.log(level, "the database is away, waiting for it: %s", error, extra=self._extra)
        return self._backoff.pause(self._failures)

    def recovered(self) -> None:
        """The work succeeded."""
        if self._failures:
            self._failures = 0
            self._logger.info("the database is back", extra=self._extra)

    def run(self, work: Callable[[], T], *, sleep: Callable[[float], object] = time.sleep) -> T:
        """Repeat the work in this thread until the database takes it. It may be done twice: a commit without an answer.

        Inside a transaction it is not repeated, since what came before it is lost.
        """
        while True:
            try:
                result = work()
            except Error as error:
                if any(connection.in_atomic_block for connection in connections.all(initialized_only=True)):
                    raise
                pause = self.failed(error)
                connections.close_all()
                sleep(pause)
            else:
                self.recovered()
                return result

    async def run_async(self, work: Callable[[], Awaitable[T]]) -> T:
        """As `run`, for work that sees to its thread and connections itself."""
        while True:
            try:
                result = await work()
            except Error as error:
                await asyncio.sleep(self.failed(error))
            else:
                self.recovered()
                return result
