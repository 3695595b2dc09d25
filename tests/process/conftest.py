import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests import databases
from tests.process.bench import Bench, Database, Emulator
from tests.processes import ROOT, Process, scratch_directory
from tests.services import Postgres


@pytest.fixture(autouse=True)
def _reach_other_databases(django_db_blocker) -> Iterator[None]:
    """These tests never use the test database; they look into those of the processes that they start."""
    with django_db_blocker.unblock():
        yield


def migrate(url: str) -> None:
    env = {"TEST_DATABASE_URL": url, "TEST_BOT_APP": "1", "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = (sys.executable, ROOT / "manage.py", "migrate", "--run-syncdb", "-v0")
    with Process(*command, env=env) as process:
        assert process.wait() == 0, process


@pytest.fixture(scope="session")
def _sqlite_template() -> Path:
    path = scratch_directory("vkteams-bot-template-") / "template.sqlite3"
    migrate(databases.sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: Postgres) -> str:
    url = postgres_server.new_database()
    migrate(url)
    return url


@pytest.fixture
def new_sqlite(_sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "database.sqlite3"
    shutil.copy(_sqlite_template, path)
    return databases.sqlite_url(path)


@pytest.fixture
def new_postgres(request: pytest.FixtureRequest) -> Callable[[], str]:
    def new() -> str:
        server: Postgres = request.getfixturevalue("postgres_server")
        template = urlsplit(request.getfixturevalue("_postgres_template")).path.removeprefix("/")
        url = server.new_database()
        name = sql.Identifier(urlsplit(url).path.removeprefix("/"))
        with psycopg.connect(urlunsplit(urlsplit(url)._replace(path="/postgres")), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(template)))
        return url

    return new


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A migrated database, of each kind."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("new_sqlite")
    else:
        url = request.getfixturevalue("new_postgres")()
    found = Database(url)
    yield found
    found.close()


@pytest.fixture
def emulate() -> Iterator[Callable[..., Emulator]]:
    """Start an emulator, as ``Emulator(…)`` does. It ends with the test."""
    with ExitStack() as stack:

        def emulate(*faults: str, **options: Any) -> Emulator:
            emulator = Emulator(*faults, **options)
            stack.callback(emulator.kill)
            return emulator

        yield emulate


@pytest.fixture
def emulator(emulate: Callable[..., Emulator]) -> Emulator:
    return emulate()


@pytest.fixture
def bench(manage: Callable[..., Process], database: Database, emulator: Emulator, tmp_path: Path) -> Bench:
    flags = tmp_path / "flags"
    flags.mkdir()
    return Bench(manage, database, emulator, flags)
