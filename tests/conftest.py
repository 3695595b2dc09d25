"""Fixtures of the whole suite: services, processes, the browser."""

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import TypeVar

import hypothesis
import pytest
from django.utils import translation
from playwright.sync_api import Page, sync_playwright

from tests import services
from tests.processes import Process
from tests.services import Postgres, PrivatePostgres, PrivateRedis, ServiceMissing
from vkteams_bot.api import redaction

# Many containers set this. Every process of the tests would compile the package anew: a quarter of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long one example takes says how busy the machine is: pytest's own timeout ends what hangs.
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")

T = TypeVar("T")

_not_run: set[str] = set()
_processes = pytest.StashKey[list[Process]]()


def need(service: Callable[[], T]) -> T:
    """Return what ``service`` makes, or skip (in CI: fail) when it is not installed."""
    try:
        return service()
    except ServiceMissing as missing:
        line = str(missing)
    if services.services_required():
        pytest.fail(f"{line} (REQUIRE_SERVICES is set)", pytrace=False)
    _not_run.add(line)
    pytest.skip(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in sorted(_not_run):
        terminalreporter.section("service missing", sep="!", red=True, bold=True)
        terminalreporter.write_line(line, red=True, bold=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for process in item.stash.get(_processes, []):
            report.sections.append(("process", str(process)))
    return report


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """A request leaves its language to the thread, and a bot its token to what is hidden from then on."""
    tokens = set(redaction._known)
    yield
    translation.deactivate()
    redaction._known.intersection_update(tokens)


@pytest.fixture
def _keep(request: pytest.FixtureRequest) -> Iterator[Callable[[Process], Process]]:
    with ExitStack() as stack:
        started = request.node.stash[_processes] = []

        def keep(process: Process) -> Process:
            started.append(process)
            return stack.enter_context(process)

        yield keep


@pytest.fixture
def start(_keep: Callable[[Process], Process]) -> Callable[..., Process]:
    """Start a process, as ``Process(…)`` does. It ends with the test; a failure shows its output."""
    return lambda *args, **kwargs: _keep(Process(*args, **kwargs))


@pytest.fixture
def manage(_keep: Callable[[Process], Process]) -> Callable[..., Process]:
    """Start ``manage.py`` with these arguments (and ``env=``) under ``tests.settings``; otherwise as ``start``.

    Name a database in ``env["TEST_DATABASE_URL"]``: without it the process gets an empty one.
    """
    return lambda *args, **kwargs: _keep(Process.manage(*args, **kwargs))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server, with ``new_database()``. For one that can be stopped see ``private_postgres``."""
    with ExitStack() as stack:
        yield need(lambda: stack.enter_context(services.postgres()))


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Postgres) -> str:
    """A PostgreSQL database, empty when the test run began."""
    return postgres_server.new_database()


@pytest.fixture(scope="session")
def _private_postgres() -> Iterator[PrivatePostgres]:
    server = need(PrivatePostgres)
    yield server
    server.close()


@pytest.fixture
def private_postgres(_private_postgres: PrivatePostgres) -> Iterator[PrivatePostgres]:
    """A PostgreSQL server that the test may ``stop()`` and ``start()``; it runs again afterwards."""
    yield _private_postgres
    _private_postgres.start()


@pytest.fixture(scope="session")
def _private_redis() -> Iterator[PrivateRedis]:
    server = need(PrivateRedis)
    yield server
    server.close()


@pytest.fixture
def private_redis(_private_redis: PrivateRedis) -> Iterator[PrivateRedis]:
    """A Redis server that the test may ``stop()`` and ``start()``; it runs again, empty, afterwards."""
    yield _private_redis
    _private_redis.start()


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """A Redis server. Use keys of your own: other tests write into it too."""
    if url := os.environ.get("TEST_REDIS_URL"):
        return url
    server: PrivateRedis = request.getfixturevalue("_private_redis")
    return server.url


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    return need(services.chromium)


@pytest.fixture
def page(chromium: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A fresh browser with one empty page. A script error on the page fails the test."""
    # While it is open, Playwright's synchronous face keeps an event loop running in this thread: the ORM would refuse
    # to work beside it, and so would asyncio.run in later tests if the browser were kept for the session.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    errors: list[str] = []
    with sync_playwright() as playwright:
        # Chromium's sandbox refuses root, and containers often lack /dev/shm.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
    assert not errors
