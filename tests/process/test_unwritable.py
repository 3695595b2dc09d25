"""A database that is there and cannot be used: read only, or without a table."""

import sqlite3
import time
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests import databases
from tests.process.bench import Bench, assert_replies_are_honest

pytestmark = pytest.mark.process

PEOPLE = [f"p{number}@example.com" for number in range(5)]


@pytest.fixture
def read_only(bench: Bench) -> Callable[[bool], None]:
    """Make the database read only, or writable again, also for those who are connected."""
    database = databases.parse(bench.database.url)["NAME"]
    server = urlunsplit(urlsplit(bench.database.url)._replace(path="/postgres"))

    def switch(on: bool) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            name = sql.Identifier(database)
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(name, sql.Literal(on))
            )
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])

    return switch


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_read_only_database_is_waited_for(bench: Bench, read_only: Callable[[bool], None]):
    """It restarted the bot every two seconds, with 62 lines each."""
    bench.emulator.people(PEOPLE)
    bot = bench.bot()
    bench.emulator.write([(who, "async 0") for who in PEOPLE])
    bench.database.wait_done(len(PEOPLE), bot=bot)
    bench.database.wait_quiet()

    read_only(True)
    bench.database.forget_connection()
    bench.emulator.write([(who, f"{kind} {n}") for n, kind in ((1, "async"), (2, "def")) for who in PEOPLE])
    bot.wait_for_line("the database is away, waiting for it: cannot execute .* in a read-only transaction")
    second = bench.bot(ready=False)
    second.wait_for_line("the database is away, waiting for it: cannot execute .* in a read-only transaction")
    time.sleep(4)
    for process in (bot, second):
        assert process.returncode is None
        assert process.output.count("waiting for it: cannot execute") <= 4, "each who waits tells it once"
        assert "Traceback" not in process.output

    read_only(False)
    bench.database.forget_connection()
    bench.database.wait_done(3 * len(PEOPLE), bot=bot)
    bench.database.wait_quiet()
    assert assert_replies_are_honest(bench, PEOPLE) == {"sent": 3 * len(PEOPLE)}
    for process in (second, bot):
        process.terminate()
        assert process.wait() == 0


@pytest.mark.parametrize("missing", ["vkteams_bot_update", "vkteams_bot_outgoingcall", "vkteams_bot_botaccount"])
def test_a_table_that_goes_ends_the_bot_with_one_line(bench: Bench, missing: str):
    """Half migrated under a running bot: what waits is done by the next one."""
    bench.emulator.people(PEOPLE)
    bot = bench.bot()
    bench.emulator.write([(who, "async 0") for who in PEOPLE])
    bench.database.wait_done(len(PEOPLE), bot=bot)
    bench.database.wait_quiet()
    rename(bench, missing, f"{missing}_away")
    bench.emulator.write([(who, "async 1") for who in PEOPLE])

    assert bot.wait() == 1
    bot.wait_for_line(f"CRITICAL vkteams_bot.runtime bot default died: .*{missing}.*: run manage.py migrate$")
    assert "Traceback" not in bot.output
    rename(bench, f"{missing}_away", missing)
    bench.database.forget_connection()
    bench.bot()
    bench.database.wait_done(2 * len(PEOPLE))
    bench.database.wait_quiet()
    assert_replies_are_honest(bench, PEOPLE)


def rename(bench: Bench, old: str, new: str) -> None:
    statement = f"ALTER TABLE {old} RENAME TO {new}"
    if bench.database.url.startswith("sqlite"):
        with sqlite3.connect(databases.parse(bench.database.url)["NAME"], timeout=30) as connection:
            connection.execute("PRAGMA legacy_alter_table = ON")  # leave the references of other tables alone
            connection.execute(statement)
        connection.close()
    else:
        with psycopg.connect(bench.database.url) as postgres:
            postgres.execute(statement)
