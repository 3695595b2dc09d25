"""Two runbots of one bot: one works, the other stands by and takes over."""

import signal
import time

import pytest

from tests.process.bench import Bench, assert_in_order, assert_replies_are_honest
from tests.processes import Process, wait_until

pytestmark = pytest.mark.process

PEOPLE = [f"p{number}@example.com" for number in range(20)]
TRUE_LEASE = {"TESTBOT_LEASE_SECONDS": ""}


def start_two(bench: Bench) -> tuple[Process, Process]:
    bench.emulator.people(PEOPLE)
    bench.emulator.sends_take(0.05)
    first = bench.bot(env=TRUE_LEASE)
    second = bench.bot(env=TRUE_LEASE, ready=False)
    second.wait_for_line(rf"polled by \S+:{first.pid}:\w+; standing by")
    return first, second


def test_the_other_takes_over_from_a_killed_one(bench: Bench):
    first, second = start_two(bench)
    bench.emulator.write([(who, f"async {n} 0.05") for n in range(10) for who in PEOPLE])
    bench.database.wait_done(40, bot=first)
    assert {pid for (pid,) in bench.database.records("pid")} == {first.pid}, "only the holder works"

    first.kill()
    first.wait()
    second.wait_for_line(" runs at http", timeout=30)

    bench.emulator.write([(who, f"async {n} 0.01") for n in range(10, 12) for who in PEOPLE])
    bench.database.wait_done(240, bot=second)
    bench.database.wait_quiet()
    assert bench.database.statuses() == {"done": 240}
    assert_in_order(bench.database.records(), {who: list(range(12)) for who in PEOPLE})
    statuses = assert_replies_are_honest(bench, PEOPLE)
    assert statuses.total() == 240
    assert statuses["unknown"] <= len(PEOPLE)
    assert set(statuses) <= {"sent", "unknown"}


def test_the_other_takes_over_from_one_that_stops(bench: Bench):
    first, second = start_two(bench)
    bench.emulator.write([(who, f"async {n} 0.05") for n in range(10) for who in PEOPLE])
    bench.database.wait_done(40, bot=first)

    first.terminate()
    assert first.wait() == 0
    began = time.monotonic()
    second.wait_for_line(" runs at http")

    assert time.monotonic() - began < 5, "the lease was given back, not waited for"
    bench.database.wait_done(200, bot=second)
    bench.database.wait_quiet()
    assert_in_order(bench.database.records(), {who: list(range(10)) for who in PEOPLE})
    assert assert_replies_are_honest(bench, PEOPLE) == {"sent": 200}
    assert len({pid for (pid,) in bench.database.records("pid")}) == 2


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # SQLite has one writer: less can go wrong
def test_one_that_was_asleep_does_nothing_once_it_was_replaced(bench: Bench):
    """The lease of a stopped process (SIGSTOP: a paused machine) ends; what it writes afterwards is refused."""
    first, second = start_two(bench)
    bench.emulator.write([(who, f"async {n} 0.05") for n in range(10) for who in PEOPLE])
    bench.database.wait_done(40, bot=first)

    first.send(signal.SIGSTOP)
    second.wait_for_line(" runs at http", timeout=30)
    bench.database.wait_done(200, bot=second)
    bench.database.wait_quiet()
    first.send(signal.SIGCONT)
    first.wait_for_line("another process took over; standing by")

    wait_until(lambda: "polled by" in first.output, 60, "it stands by")
    assert bench.database.statuses() == {"done": 200}
    for chat_id, data in bench.database.conversations.values_list("chat_id", "data"):
        assert data["seen"] == list(range(10)), chat_id
    statuses = assert_replies_are_honest(bench, PEOPLE)
    assert statuses.total() == 200
    assert first.returncode is None
    assert second.returncode is None
