"""What is an outage of the database and what is the failure of who asked, and how an outage is waited for."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, Error, InterfaceError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler, DatabaseErrorWrapper

from tests import databases
from vkteams_bot.backoff import Backoff
from vkteams_bot.stores.outages import OUTAGES, SQLITE_OUTAGES, OutageWait, is_outage

logger = logging.getLogger("vkteams_bot.test_outages")

FAILURES = {
    "22003": "a number is out of range",
    "23505": "the row is there already",
    "25001": "a transaction is open where none may be",
    "25P01": "no transaction is open where one has to be",
    "25P02": "the transaction failed before",
    "40002": "the data breaks a constraint, again and again",
    "42P01": "there is no such table",
    "53400": "the statement needs more than the configuration grants it",
    "54000": "the statement is too large",
    "55000": "the object is not in the state for this",
    "55006": "the object is in use",
    "55P02": "the parameter cannot be changed now",
    "55P03": "somebody else has the lock, and the statement would not wait",
    "55P04": "the value of the enum is too new",
    "57014": "the statement took too long, or somebody cancelled it",
    "58P01": "a file of an extension is missing",
    "58P02": "a file of the server is there already",
    "58P03": "the name of a file is too long",
    "XX000": "a bug of the server",
    "XX001": "the data is corrupted",
}


@pytest.fixture
def opened(django_db_blocker: Any) -> Iterator[Callable[[str], BaseDatabaseWrapper]]:
    """Open a connection of Django's to a database, beside those of the settings."""
    made: list[BaseDatabaseWrapper] = []

    def connect(url: str) -> BaseDatabaseWrapper:
        made.append(ConnectionHandler({"default": databases.parse(url)})["default"])
        return made[-1]

    with django_db_blocker.unblock():
        yield connect
        for connection in made:
            with suppress(Error):
                connection.close()


@pytest.fixture
def postgres(opened: Callable[[str], BaseDatabaseWrapper], postgres_url: str) -> BaseDatabaseWrapper:
    return opened(postgres_url)


def raised(connection: BaseDatabaseWrapper, *statements: str) -> Error:
    """What Django raises for one of the statements."""
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    except Error as error:
        return error
    raise AssertionError(f"{statements} were taken")


def sqlstate(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


class TestPostgres:
    """Every code goes the whole way: from a server through the driver and Django."""

    @pytest.mark.parametrize(
        ("state", "outage"), [*((key, True) for key in OUTAGES), *((key, False) for key in FAILURES)]
    )
    def test_a_code_that_the_server_gives(self, postgres: BaseDatabaseWrapper, state: str, outage: bool) -> None:
        error = raised(postgres, f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")
        assert sqlstate(error) == state
        assert is_outage(error) is outage

    def test_every_code_of_these_classes_was_thought_of(self) -> None:
        classes = {"08", "40", "53", "55", "57", "58"}
        known = {state for state in psycopg.errors._sqlcodes if state[:2] in classes}
        assert len(known) > 30
        assert known <= OUTAGES.keys() | FAILURES.keys()
        assert not OUTAGES.keys() & FAILURES.keys()
        assert all(OUTAGES.values())

    def test_a_statement_that_takes_too_long_is_no_outage(self, postgres: BaseDatabaseWrapper) -> None:
        error = raised(postgres, "SET statement_timeout = 10", "SELECT pg_sleep(10)")
        assert sqlstate(error) == "57014"
        assert not is_outage(error)

    def test_a_statement_that_somebody_cancels_is_no_outage(
        self, postgres: BaseDatabaseWrapper, opened: Callable[[str], BaseDatabaseWrapper], postgres_url: str
    ) -> None:
        with postgres.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        operator = opened(postgres_url)
        operator.inc_thread_sharing()

        def cancel() -> None:
            while not done.wait(0.05):
                with operator.cursor() as cursor:
                    cursor.execute("SELECT pg_cancel_backend(%s)", [pid])

        done = threading.Event()
        canceller = threading.Thread(target=cancel)
        canceller.start()
        try:
            error = raised(postgres, "SELECT pg_sleep(30)")
        finally:
            done.set()
            canceller.join()
        assert sqlstate(error) == "57014"
        assert not is_outage(error)

    def test_a_lock_that_is_taken_is_no_outage(
        self, postgres: BaseDatabaseWrapper, opened: Callable[[str], BaseDatabaseWrapper], postgres_url: str
    ) -> None:
        with postgres.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS locked_here (id int)")
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE locked_here")
        error = raised(opened(postgres_url), "BEGIN", "LOCK TABLE locked_here NOWAIT")
        assert sqlstate(error) == "55P03"
        assert not is_outage(error)

    def test_a_server_that_only_reads_is_an_outage(self, postgres: BaseDatabaseWrapper) -> None:
        error = raised(postgres, "SET default_transaction_read_only = on", "CREATE TABLE nowhere (id int)")
        assert sqlstate(error) == "25006"
        assert is_outage(error)

    def test_a_session_that_an_operator_ended_is_an_outage_now_and_later(self, postgres: BaseDatabaseWrapper) -> None:
        error = raised(postgres, "SELECT pg_terminate_backend(pg_backend_pid())")
        assert sqlstate(error) == "57P01"
        assert is_outage(error)
        later = raised(postgres, "SELECT 1")
        assert sqlstate(later) is None
        assert is_outage(later), "the driver's own complaint about a connection that is closed"

    @pytest.mark.parametrize(
        ("setting", "state"), [("idle_in_transaction_session_timeout", "25P03"), ("idle_session_timeout", "57P05")]
    )
    def test_a_session_that_a_timeout_ended_is_an_outage(
        self, postgres: BaseDatabaseWrapper, setting: str, state: str
    ) -> None:
        begin = "BEGIN" if state == "25P03" else "SELECT 1"
        with postgres.cursor() as cursor:
            cursor.execute(f"SET {setting} = 10")
            cursor.execute(begin)
            threading.Event().wait(0.3)
        error = raised(postgres, "SELECT 1")
        assert sqlstate(error) in (state, None)
        assert is_outage(error)

    def test_a_concurrent_update_is_an_outage_as_repeating_is_right(
        self, postgres: BaseDatabaseWrapper, opened: Callable[[str], BaseDatabaseWrapper], postgres_url: str
    ) -> None:
        with postgres.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS contended")
            cursor.execute("CREATE TABLE contended AS SELECT 1 AS id")
        other = opened(postgres_url)
        with other.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT * FROM contended")
        with postgres.cursor() as cursor:
            cursor.execute("UPDATE contended SET id = 2")
        error = raised(other, "UPDATE contended SET id = 3")
        assert sqlstate(error) == "40001"
        assert is_outage(error)

    def test_a_server_that_is_not_there_is_an_outage(self, opened: Callable[[str], BaseDatabaseWrapper]) -> None:
        error = raised(opened("postgres://nobody@127.0.0.1:1/none"), "SELECT 1")
        assert sqlstate(error) is None
        assert is_outage(error)

    def test_a_pool_without_a_free_connection_is_an_outage(self) -> None:
        pool_timeout = type("PoolTimeout", (psycopg.OperationalError,), {"__module__": "psycopg_pool.errors"})
        assert is_outage(translated(psycopg, pool_timeout("couldn't get a connection after 30.00 sec")))

    def test_psycopg2_names_its_code_otherwise(self) -> None:
        class QueryCanceled(psycopg.OperationalError):
            pgcode = "57014"

        class AdminShutdown(psycopg.OperationalError):
            pgcode = "57P01"

        assert not is_outage(translated(psycopg, QueryCanceled("canceling statement")))
        assert is_outage(translated(psycopg, AdminShutdown("terminating connection")))


class TestSqlite:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "db.sqlite3"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE things (data)")
        connection.close()
        return path

    @pytest.fixture
    def database(self, opened: Callable[[str], BaseDatabaseWrapper], path: Path) -> BaseDatabaseWrapper:
        database = opened(databases.sqlite_url(path))
        database.settings_dict["OPTIONS"] = {"timeout": 0}
        return database

    def test_a_writer_that_does_not_end(self, database: BaseDatabaseWrapper, path: Path) -> None:
        writer = sqlite3.connect(path)
        writer.execute("BEGIN IMMEDIATE")
        error = raised(database, "INSERT INTO things VALUES (1)")
        writer.close()
        assert "database is locked" in str(error)
        assert is_outage(error)

    def test_a_folder_that_is_not_there(self, opened: Callable[[str], BaseDatabaseWrapper], tmp_path: Path) -> None:
        error = raised(opened(databases.sqlite_url(tmp_path / "missing" / "db.sqlite3")), "SELECT 1")
        assert "unable to open database file" in str(error)
        assert is_outage(error)

    def test_a_full_disk(self, database: BaseDatabaseWrapper) -> None:
        error = raised(database, "PRAGMA max_page_count = 2", "INSERT INTO things VALUES (zeroblob(100000))")
        assert "full" in str(error)
        assert is_outage(error)

    def test_a_file_that_may_not_be_written(self, database: BaseDatabaseWrapper) -> None:
        error = raised(database, "PRAGMA query_only = on", "INSERT INTO things VALUES (1)")
        assert "readonly" in str(error)
        assert is_outage(error)

    def test_a_file_that_was_opened_read_only(self, path: Path, opened: Callable[[str], BaseDatabaseWrapper]) -> None:
        """The first statement that a connection runs wants to write already."""
        reader = opened(databases.sqlite_url(path))
        reader.settings_dict["NAME"] = f"file:{path}?mode=ro"
        reader.settings_dict["OPTIONS"] = {**reader.settings_dict["OPTIONS"], "uri": True}
        assert is_outage(raised(reader, "INSERT INTO things VALUES (1)"))

    def test_a_file_that_was_replaced(self, database: BaseDatabaseWrapper, path: Path) -> None:
        with database.cursor() as cursor:
            cursor.execute("SELECT * FROM things")
        path.unlink()
        error = raised(database, "INSERT INTO things VALUES (1)")
        assert is_outage(error)

    @pytest.mark.parametrize("code", SQLITE_OUTAGES)
    @pytest.mark.parametrize("detail", [0, 1, 10])
    def test_a_code_and_what_it_is_refined_to(self, code: int, detail: int) -> None:
        assert is_outage(translated(sqlite3, coded(code | detail << 8)))

    def test_a_statement_that_somebody_interrupts_is_no_outage(self, database: BaseDatabaseWrapper) -> None:
        database.ensure_connection()
        database.connection.set_progress_handler(lambda: 1, 1)
        error = raised(database, "SELECT * FROM things")
        assert "interrupted" in str(error)
        assert not is_outage(error)

    def test_a_table_that_is_not_there_is_no_outage(self, database: BaseDatabaseWrapper) -> None:
        assert not is_outage(raised(database, "SELECT * FROM nowhere"))

    def test_a_wrong_call_of_python_is_no_outage(self) -> None:
        assert not is_outage(translated(sqlite3, sqlite3.InterfaceError("bad parameter or other API misuse")))


def coded(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("it does not work")
    error.sqlite_errorcode = code
    return error


class _Wrapped:
    """What Django's translation of errors needs of a connection."""

    errors_occurred = False

    def __init__(self, driver: Any) -> None:
        self.Database = driver


def translated(driver: Any, error: Exception) -> Error:
    """As Django raises it."""
    with pytest.raises(Error) as caught, DatabaseErrorWrapper(_Wrapped(driver)):
        raise error
    return caught.value


def lost() -> Error:
    return translated(sqlite3, coded(sqlite3.SQLITE_BUSY))


def test_django_itself_says_that_a_connection_is_closed() -> None:
    assert is_outage(InterfaceError("connection already closed"))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("database is locked"),
        DatabaseError("no"),
        OperationalError("gone away"),
        ConnectionError(),
        OSError(),
    ],
)
def test_what_says_nothing_of_our_database_is_no_outage(error: Exception) -> None:
    """Among it another driver's errors: a project may use any database beside this one."""
    assert not is_outage(error)


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def wait(clock: Clock | None = None, **options: Any) -> OutageWait:
    return OutageWait(
        logger, extra={"bot": "default"}, backoff=Backoff(first=1.0, longest=4.0), clock=clock or Clock(), **options
    )


def failing(times: int, error: Callable[[], Exception] = lost) -> Callable[[], str]:
    tries = iter(range(times))

    def work() -> str:
        if next(tries, None) is not None:
            raise error()
        return "done"

    return work


def test_an_outage_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    outage = wait()
    with caplog.at_level(logging.DEBUG, logger.name):
        for _ in range(2):
            for _ in range(3):
                outage.failed(lost())
            outage.recovered()
            outage.recovered()
    levels = [(record.levelname, record.getMessage().partition(",")[0]) for record in caplog.records]
    away = "the database is away"
    assert levels == 2 * [("WARNING", away), ("DEBUG", away), ("DEBUG", away), ("INFO", "the database is back")]
    assert {getattr(record, "bot", None) for record in caplog.records} == {"default"}


def test_pauses_grow_and_begin_anew_with_the_next_outage() -> None:
    outage = wait()
    for full in (1, 2, 4, 4):
        assert full / 2 <= outage.failed(lost()) <= full
    assert outage.failures == 4
    outage.recovered()
    assert outage.failures == 0
    assert outage.failed(lost()) <= 1


def test_a_failure_is_not_waited_for() -> None:
    error = ValueError("no")
    with pytest.raises(ValueError, match="no") as caught:
        wait().failed(error)
    assert caught.value is error


def test_patience_counts_from_the_beginning_of_each_outage() -> None:
    clock = Clock()
    outage = wait(clock, patience=10)
    for _ in range(2):
        clock.seconds += 1000
        outage.failed(lost())
        clock.seconds += 9
        outage.failed(lost())
        outage.recovered()
    outage.failed(lost())
    clock.seconds += 10
    with pytest.raises(OperationalError):
        outage.failed(lost())


def test_who_is_to_stop_does_not_wait() -> None:
    with pytest.raises(OperationalError):
        wait(stop=lambda: True).failed(lost())


def test_work_is_repeated_until_the_database_takes_it() -> None:
    pauses: list[float] = []
    assert wait().run(failing(3), sleep=pauses.append) == "done"
    assert len(pauses) == 3
    assert pauses[0] <= 1 < pauses[2]


@pytest.mark.orm
@pytest.mark.django_db(transaction=True)
def test_work_in_a_transaction_is_not_repeated() -> None:
    """What came before it in the transaction is lost."""
    pauses: list[float] = []
    with pytest.raises(OperationalError), transaction.atomic():
        wait().run(failing(1), sleep=pauses.append)
    assert pauses == []
    assert wait().run(failing(1), sleep=pauses.append) == "done"
    assert len(pauses) == 1


def test_work_that_fails_is_not_repeated() -> None:
    with pytest.raises(DatabaseError, match="relation"):
        wait().run(failing(1, lambda: DatabaseError("no relation")))


def test_async_work_is_repeated_until_the_database_takes_it() -> None:
    work = failing(3)

    async def awaited() -> str:
        return work()

    outage = OutageWait(logger, backoff=Backoff(first=0.01, longest=0.01))
    assert asyncio.run(outage.run_async(awaited)) == "done"
    assert outage.failures == 0


def test_async_work_that_fails_is_not_repeated() -> None:
    async def awaited() -> None:
        raise DatabaseError("no relation")

    with pytest.raises(DatabaseError, match="relation"):
        asyncio.run(wait().run_async(awaited))
