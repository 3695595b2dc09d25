"""The database goes away for seconds and comes back: the bot waits for it, loses nothing, repeats no reply."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests import databases
from tests.process.bench import Bench, Database, Emulator, assert_in_order, assert_replies_are_honest
from tests.process.conftest import migrate
from tests.processes import Process, wait_until
from tests.services import PrivatePostgres

pytestmark = pytest.mark.process

AWAY_SECONDS = 5.5
PEOPLE = [f"p{number}@example.com" for number in range(30)]
EACH = 10


@pytest.fixture
def environment() -> dict[str, str]:
    return {}


@pytest.fixture
def outage(database: Database, environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Callable]:
    """`outage()` takes the database away for AWAY_SECONDS, then returns."""
    path = databases.parse(database.url)["NAME"]
    if database.url.startswith("sqlite"):
        # The busy timeout is far shorter than the outage: whoever writes gets "database is locked".
        environment["TEST_SQLITE_BUSY_SECONDS"] = "0.3"

        def lock() -> None:
            other = sqlite3.connect(path, timeout=30, isolation_level=None)
            try:
                other.execute("BEGIN EXCLUSIVE")
                time.sleep(AWAY_SECONDS)
                other.execute("COMMIT")
            finally:
                other.close()

        yield lock
        return
    server: PrivatePostgres = request.getfixturevalue("private_postgres")

    def stop() -> None:
        server.stop()
        time.sleep(AWAY_SECONDS)
        server.start()

    yield stop


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """As everywhere, but on a PostgreSQL server that can be stopped."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("new_sqlite")
    else:
        url = request.getfixturevalue("private_postgres").new_database()
        migrate(url)
    found = Database(url)
    yield found
    found.close()


def test_an_outage_while_updates_flow(
    bench: Bench, outage: Callable[[], None], environment: dict[str, str], emulator: Emulator
):
    emulator.people(PEOPLE)
    emulator.sends_take(0.03)
    bot = bench.bot(env=environment)
    texts = [[(who, f"{('async', 'def')[n % 2]} {n} 0.02") for who in PEOPLE] for n in range(EACH)]
    for batch in texts[:4]:
        emulator.write(batch)
    bench.database.wait_done(20, bot=bot)

    # Handlers run, replies are on their way, and more updates come while the database is away.
    away = threading.Thread(target=outage, name="outage")
    away.start()
    for batch in texts[4:]:
        time.sleep(0.5)
        emulator.write(batch)
    away.join()
    bench.database.forget_connection()

    bench.database.wait_done(len(PEOPLE) * EACH, bot=bot)
    bench.database.wait_quiet()
    assert "the database is away, waiting for it" in bot.output
    assert "the database is back" in bot.output
    assert bench.database.statuses() == {"done": len(PEOPLE) * EACH}
    assert_in_order(bench.database.records(), {who: list(range(EACH)) for who in PEOPLE})
    for chat_id, data in bench.database.conversations.values_list("chat_id", "data"):
        assert data["seen"] == list(range(EACH)), chat_id
    assert assert_replies_are_honest(bench, PEOPLE) == {"sent": len(PEOPLE) * EACH}
    bot.terminate()
    assert bot.wait() == 0


def test_a_handler_that_lost_the_database_runs_again(
    bench: Bench, outage: Callable[[], None], environment: dict[str, str], emulator: Emulator
):
    """Each of these has used the ORM, waits, and uses it again while the database is away."""
    emulator.people(PEOPLE)
    bot = bench.bot(env=environment)
    for n in range(2):  # every thread has a connection that will be stale
        emulator.write([(who, f"def {n} 0.05") for who in PEOPLE])
    bench.database.wait_done(2 * len(PEOPLE), bot=bot)
    emulator.write([(who, f"{('async', 'def')[i % 2]} 2 1") for i, who in enumerate(PEOPLE)])
    wait_until(lambda: len(bench.database.records()) >= 2 * len(PEOPLE) + 20, 60, "the handlers run")

    outage()
    bench.database.forget_connection()

    bench.database.wait_done(3 * len(PEOPLE), bot=bot)
    bench.database.wait_quiet()
    assert bench.database.statuses() == {"done": 3 * len(PEOPLE)}
    assert assert_replies_are_honest(bench, PEOPLE) == {"sent": 3 * len(PEOPLE)}
    for chat_id, data in bench.database.conversations.values_list("chat_id", "data"):
        assert data["seen"] == [0, 1, 2], chat_id


def test_the_database_is_away_at_the_start_and_at_the_end(
    bench: Bench, manage: Callable[..., Process], request: pytest.FixtureRequest
):
    if bench.database.url.startswith("sqlite"):
        pytest.skip("a file is always there")
    server: PrivatePostgres = request.getfixturevalue("private_postgres")
    bench.emulator.people(PEOPLE)
    bench.database.forget_connection()
    server.stop()
    bot = bench.bot(ready=False, STOP_TIMEOUT=1)
    bot.wait_for_line("the database is away, waiting for it")
    server.start()
    bot.wait_for_line(" runs at http")
    bench.emulator.write([(who, "async 1 0.5") for who in PEOPLE])
    wait_until(lambda: len(bench.database.records()) == len(PEOPLE), 60, "the handlers run")

    bench.database.forget_connection()
    server.stop()
    second = bench.bot(ready=False, STOP_TIMEOUT=1)
    second.wait_for_line("the database is away, waiting for it")
    second.terminate()
    assert second.wait() == 0
    bot.terminate()
    assert bot.wait(20) == 0, "it ends, though it cannot write"
    server.start()

    bench.bot()
    bench.database.wait_done(len(PEOPLE))
    bench.database.wait_quiet()
    assert assert_replies_are_honest(bench, PEOPLE).total() == len(PEOPLE)
