"""Stopping in order: SIGTERM and SIGINT let handlers finish, within a bound, and leave nothing half done."""

import time

import psycopg
import pytest

from tests.process.bench import Bench, assert_in_order, assert_replies_are_honest
from tests.processes import Process, wait_until

pytestmark = pytest.mark.process

STOP_TIMEOUT = 1.5
MARGIN = 15.0
"""For what is not bounded by STOP_TIMEOUT: the last commit, the connections, the interpreter, on a loaded machine."""
LONG = 60
"""Seconds that a handler would take: far more than any stop."""


def stopped(bot: Process) -> float:
    """Seconds until the exit, which must be 0."""
    began = time.monotonic()
    bot.terminate()
    assert bot.wait() == 0, bot
    return time.monotonic() - began


def wait_for_runs(bench: Bench, count: int) -> None:
    wait_until(lambda: len(bench.database.records()) == count, 60, f"{count} runs of handlers")


def assert_nothing_half_done(bench: Bench) -> None:
    assert not bench.database.updates.filter(status="running").exists()
    assert not bench.database.calls.filter(status="sending").exists()
    assert bench.database.accounts.values_list("lease_owner", flat=True).get() == ""


def test_a_stop_under_load_leaves_nothing_half_done(bench: Bench):
    people = [f"p{number}@example.com" for number in range(40)]
    bench.emulator.people(people)
    bench.emulator.sends_take(0.2)
    bench.emulator.write([(who, f"{('async', 'def')[n % 2]} {n} 0.03") for n in range(20) for who in people])
    bot = bench.bot(STOP_TIMEOUT=STOP_TIMEOUT)
    bench.database.wait_done(100, bot=bot)

    assert stopped(bot) < STOP_TIMEOUT + MARGIN

    done = bench.database.done()
    assert done < 800, "the stop came too late to show anything"
    assert_nothing_half_done(bench)
    assert bench.database.call_statuses().keys() <= {"sent", "queued"}
    bench.emulator.sends_take(0.02)
    second = bench.bot()
    assert "standing by" not in second.output, "the lease was free"
    bench.database.wait_done(800, bot=second)
    bench.database.wait_quiet()
    stopped(second)
    assert_in_order(bench.database.records(), {who: list(range(20)) for who in people})
    assert assert_replies_are_honest(bench, people) == {"sent": 800}
    assert set(bench.database.updates.values_list("attempts", flat=True)) == {0}, "an orderly stop is no crash"


@pytest.mark.parametrize(("database", "kind"), [("sqlite", "def"), ("postgres", "async")], indirect=["database"])
def test_a_handler_longer_than_the_bound_runs_again(bench: Bench, kind: str):
    bench.emulator.people(["slow@example.com", "quick@example.com"])
    bench.emulator.write([("slow@example.com", f"{kind} 1 {LONG}"), ("slow@example.com", "async 2")])
    bot = bench.bot(STOP_TIMEOUT=STOP_TIMEOUT)
    wait_until(lambda: len(bench.database.records()) == 1, 60, "the handler runs")

    took = stopped(bot)

    assert STOP_TIMEOUT * 0.9 < took < STOP_TIMEOUT + MARGIN
    bot.wait_for_line(r"1 handlers did not finish within 1.5 s and will run again")
    assert_nothing_half_done(bench)
    assert bench.database.statuses() == {"pending": 2}
    # Again, and again: four orderly stops are not three crashes.
    for runs in (2, 3, 4):
        bot = bench.bot(STOP_TIMEOUT=0)
        wait_for_runs(bench, runs)
        stopped(bot)
        assert bench.database.statuses() == {"pending": 2}
        assert_nothing_half_done(bench)
    assert bench.database.records() == [("slow@example.com", 1)] * 4


def test_a_reply_that_is_not_answered_within_the_bound_stands_as_unknown(bench: Bench):
    bench.emulator.people(["a@example.com"])
    bench.emulator.faults({"kind": "hang", "method": "messages/sendText", "times": 1})
    bench.emulator.write([("a@example.com", "twice 1")])
    bot = bench.bot(STOP_TIMEOUT=STOP_TIMEOUT)
    wait_until(lambda: bench.emulator.requests("messages/sendText") == 1, 60, "the reply has left")

    assert stopped(bot) < STOP_TIMEOUT + MARGIN

    assert_nothing_half_done(bench)
    statuses = dict(bench.database.calls.order_by("id").values_list("params__text", "status"))
    assert statuses == {"reply 1 a": "unknown", "reply 1 b": "queued"}
    bench.bot()
    bench.database.wait_calls(1)
    assert [message["text"] for message in bench.emulator.said("a@example.com")] == ["reply 1 b"]


@pytest.mark.parametrize(("database", "kind"), [("sqlite", "async"), ("postgres", "def")], indirect=["database"])
def test_a_second_signal_ends_at_once(bench: Bench, kind: str):
    bench.emulator.people(["a@example.com"])
    bench.emulator.write([("a@example.com", f"{kind} 1 {LONG}")])
    bot = bench.bot(STOP_TIMEOUT=LONG)
    wait_until(lambda: len(bench.database.records()) == 1, 60, "the handler runs")
    bot.interrupt()
    bot.wait_for_line("a second signal stops at once")

    began = time.monotonic()
    bot.interrupt()

    assert bot.wait() == 130
    assert time.monotonic() - began < MARGIN
    assert bench.database.statuses() == {"pending": 1}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_lease_that_is_lost_at_the_very_end_leaves_no_traceback(bench: Bench):
    """Nobody asked any more what had happened: "Future exception was never retrieved", and its traceback."""
    bench.emulator.people(["a@example.com"])
    bench.emulator.write([("a@example.com", "async 1 1")])
    bot = bench.bot(STOP_TIMEOUT=2)
    wait_for_runs(bench, 1)
    with psycopg.connect(bench.database.url) as other:
        table = bench.database.accounts.model._meta.db_table
        other.execute(f"SELECT 1 FROM {table} FOR UPDATE")  # its handler's commit waits, and so does the last one
        bot.terminate()
        bot.wait_for_line("1 handlers did not finish within 2 s")
        time.sleep(0.5)
        other.execute(f"UPDATE {table} SET lease_owner = 'other', lease_until = now() + interval '60 seconds'")
    bot.wait_for_line("another process took over")
    assert bot.wait() == 0
    assert "Traceback" not in bot.output
    assert "never retrieved" not in bot.output
