"""The network to PostgreSQL goes silent: connections stay open, and nothing comes through. Nobody gets an error."""

import contextlib
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.process.bench import Bench, Database, Emulator, assert_in_order, assert_replies_are_honest
from tests.process.mailing import Mailing
from tests.process.workers import Workers
from tests.processes import Process
from tests.services import PrivateRedis

pytestmark = pytest.mark.process

PEOPLE = [f"p{number}@example.com" for number in range(5)]
STOP_TIMEOUT = 1
BOUND = 25.0
"""For a stop in order with STOP_TIMEOUT, on a loaded machine; it waits for the database some times."""
SLOW = r"WARNING vkteams_bot\.runtime the database call .* takes longer than 1\d s"


class Proxy:
    """Forwards TCP to a server, until it goes silent: it reads nothing more, and closes nothing."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._other: dict[socket.socket, socket.socket] = {}
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._ended = False
        self._thread = threading.Thread(target=self._forward, name="proxy", daemon=True)
        self._thread.start()

    def stall(self) -> None:
        self._goes_on.clear()

    def go_on(self) -> None:
        self._goes_on.set()

    def close(self) -> None:
        self._ended = True
        self.go_on()
        self._thread.join(10)

    def _forward(self) -> None:
        while self._goes_on.wait() and not self._ended:
            for ready in select.select([self._listener, *self._other], [], [], 0.05)[0]:
                if not self._goes_on.is_set():
                    break
                if ready is self._listener:
                    near, far = self._listener.accept()[0], socket.create_connection(self._to)
                    self._other |= {near: far, far: near}
                elif ready in self._other:
                    self._pass_on(ready)
        for end in (self._listener, *self._other):
            end.close()

    def _pass_on(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if data := end.recv(65536):
                self._other[end].sendall(data)
                return
        for closed in (end, self._other[end]):
            del self._other[closed]
            closed.close()


@pytest.fixture
def database(new_postgres: Callable[[], str]) -> Iterator[Database]:
    """Seen by the tests directly, whatever the proxy does."""
    found = Database(new_postgres())
    yield found
    found.close()


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    url = urlsplit(database.url)
    assert url.hostname
    proxy = Proxy(url.hostname, url.port or 5432)
    yield proxy
    proxy.close()


@pytest.fixture
def through_the_proxy(database: Database, proxy: Proxy) -> str:
    """The database's URL, for those who are to notice."""
    url = urlsplit(database.url)
    there = f"{url.username}:{url.password}@127.0.0.1:{proxy.port}" if url.password else f"127.0.0.1:{proxy.port}"
    return urlunsplit(url._replace(netloc=there, query="connect_timeout=3"))


@pytest.fixture
def bot(bench: Bench, through_the_proxy: str) -> Process:
    bench.emulator.people(PEOPLE)
    bot = bench.bot(env={"TEST_DATABASE_URL": through_the_proxy}, STOP_TIMEOUT=STOP_TIMEOUT, LEASE_SECONDS=60)
    bench.emulator.write([(who, "async 0") for who in PEOPLE])
    bench.database.wait_done(len(PEOPLE), bot=bot)
    bench.database.wait_quiet()
    return bot


def test_it_is_told_and_when_it_is_back_nothing_is_lost_or_doubled(bench: Bench, bot: Process, proxy: Proxy):
    proxy.stall()
    bench.emulator.write([(who, f"{('async', 'def')[n % 2]} {n}") for n in (1, 2) for who in PEOPLE])
    began = time.monotonic()
    bot.wait_for_line(SLOW)
    assert time.monotonic() - began > 8
    proxy.go_on()
    bench.emulator.write([(who, "async 3") for who in PEOPLE])

    bench.database.wait_done(4 * len(PEOPLE), bot=bot)
    bench.database.wait_quiet()
    bot.wait_for_line(r"the database call .* ended after")
    assert_in_order(bench.database.records(), {who: [0, 1, 2, 3] for who in PEOPLE})
    assert len(bench.database.records()) == 4 * len(PEOPLE)
    assert assert_replies_are_honest(bench, PEOPLE) == {"sent": 4 * len(PEOPLE)}
    lines = [line for line in bot.output.splitlines() if re.search(SLOW, line)]
    assert len(lines) == len(set(map(call_of, lines))), "each call is told once a minute"
    assert "Traceback" not in bot.output
    bot.terminate()
    assert bot.wait() == 0


def call_of(line: str) -> str:
    found = re.search(r"database call (.*) takes", line)
    assert found
    return found[1]


def test_a_signal_ends_it_within_a_bound(bench: Bench, bot: Process, proxy: Proxy):
    proxy.stall()
    bench.emulator.write([(who, "def 1") for who in PEOPLE])
    time.sleep(1.5)
    began = time.monotonic()
    bot.terminate()
    bot.wait_for_line("stopping on SIGTERM; a second signal stops at once")
    assert bot.wait(BOUND) == 0
    assert time.monotonic() - began < BOUND
    bot.wait_for_line("the lease was not released and ends by itself")
    assert "Traceback" not in bot.output


def test_a_second_signal_ends_it_at_once(bench: Bench, bot: Process, proxy: Proxy):
    proxy.stall()
    bench.emulator.write([(who, "def 1") for who in PEOPLE])
    time.sleep(1.5)
    bot.terminate()
    bot.wait_for_line("stopping on SIGTERM; a second signal stops at once")
    began = time.monotonic()
    bot.terminate()
    assert bot.wait() == 130
    assert time.monotonic() - began < 8
    bot.wait_for_line("stopped at once by a second signal")


def test_it_goes_silent_before_the_start(bench: Bench, through_the_proxy: str, proxy: Proxy):
    """A connection that is not made is given up after `connect_timeout`, and waited for as in any outage."""
    proxy.stall()
    bot = bench.bot(ready=False, env={"TEST_DATABASE_URL": through_the_proxy}, STOP_TIMEOUT=STOP_TIMEOUT)
    bot.wait_for_line("the database is away, waiting for it")
    bot.terminate()
    assert bot.wait(BOUND) == 0


def test_a_second_signal_ends_a_local_broadcast(
    bench: Bench, manage: Callable[..., Process], through_the_proxy: str, proxy: Proxy, tmp_path: Path
):
    """A call in libpq that was interrupted waits for its cancellation: that hung, too."""
    mailing = Mailing(bench, manage, tmp_path, 200)
    process = mailing.send("--local", TEST_DATABASE_URL=through_the_proxy)
    mailing.wait_sent(1, process)
    proxy.stall()
    time.sleep(1)
    process.interrupt()
    time.sleep(0.5)
    began = time.monotonic()
    process.interrupt()
    assert process.wait() == 130
    assert time.monotonic() - began < 15


@pytest.mark.redis
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_tells_it_and_its_warm_shutdown_ends(
    start: Callable[..., Process],
    bench: Bench,
    through_the_proxy: str,
    proxy: Proxy,
    private_redis: PrivateRedis,
    emulator: Emulator,
    tmp_path: Path,
    pool: str,
):
    emulator.people(PEOPLE)
    workers = Workers(start, bench, private_redis.url)
    posting = dict(workers.env)
    workers.env |= {"TEST_DATABASE_URL": through_the_proxy, "TEST_BOT_SETTINGS": '{"STOP_TIMEOUT": 1}'}
    worker = workers.worker(pool=pool, slots=1)
    workers.env = posting
    workers.post(5, "--chats", "5")
    assert workers.wait_settled(5) == {"sent": 5}
    emulator.sends_take(3)
    start(sys.executable, "manage.py", "post", "5", "--chats", "5", env=workers.env)
    bench.database.wait_calls(5, status="sending")
    proxy.stall()  # the run waits for answers, and has them written over the connection that it has
    worker.wait_for_line(r"WARNING vkteams_bot\.worker the database call .* takes longer than 1\d s")
    began = time.monotonic()
    worker.terminate()
    assert worker.wait(BOUND) == 0
    assert time.monotonic() - began < BOUND
    worker.wait_for_line("the database call .* is given up after .* to stop")
    # Their claims run out; then they are unknown, as after a crash.
    assert bench.database.call_statuses() == {"sent": 5, "sending": 5}
    assert all(len(emulator.said(who)) == 2 for who in PEOPLE), "each arrived once"
