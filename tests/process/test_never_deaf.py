"""What made bots deaf once: each test is named after what broke."""

import signal
import time

import pytest

from tests.process.bench import TOKEN, Bench
from tests.processes import wait_until

pytestmark = pytest.mark.process

ANN, BOB = "ann@example.com", "bob@example.com"
LATE = 20.0
"""Alone it takes a second or two; a loaded machine is late."""


def polls(bench: Bench) -> int:
    return bench.emulator.requests("events/get")


def assert_answered(bench: Bench, who: str, text: str, within: float = LATE) -> None:
    wait_until(lambda: any(text in message["text"] for message in bench.emulator.said(who)), within, f"{who}: {text}")


def test_a_reply_that_is_refused_for_ever_keeps_neither_a_start_from_polling_nor_another_chat_waiting(bench: Bench):
    bench.emulator.people([ANN, BOB])
    bench.emulator.faults({"kind": "ratelimit", "method": "messages/sendText", "match": {"chatId": ANN}})
    bot = bench.bot()
    bench.emulator.write([(ANN, "async 1"), (ANN, "async 2")])
    wait_until(lambda: bench.database.calls.filter(attempts__gte=1).exists(), 60, "a refused reply")
    bot.terminate()
    assert bot.wait(60) == 0

    asked = polls(bench)
    bot = bench.bot()
    wait_until(lambda: polls(bench) > asked, LATE, "a poll after the start")
    bench.emulator.write([(BOB, "async 1")])
    assert_answered(bench, BOB, "reply 1 1")
    assert bench.emulator.said(ANN) == []

    bench.emulator.faults()
    assert_answered(bench, ANN, "reply 2 2", 60)
    assert [message["text"] for message in bench.emulator.said(ANN)] == ["reply 1 1", "reply 2 2"]


def test_a_long_backlog_at_a_low_limit_does_not_stand_before_a_poll(bench: Bench):
    bench.emulator.people([ANN, BOB])
    own = {"TOKEN": TOKEN, "API_URL": bench.emulator.api_url, "CHAT_RATE_LIMIT": 0.2}
    bot = bench.bot(BOTS={"default": own})
    bench.emulator.write([(ANN, f"twice {n}") for n in range(15)])
    bench.database.wait_done(1, bot=bot)
    bot.kill()
    bot.wait()

    asked = polls(bench)
    bot = bench.bot(BOTS={"default": own})
    wait_until(lambda: polls(bench) > asked, LATE, "a poll after the start")
    bench.emulator.write([(BOB, "async 1")])
    assert_answered(bench, BOB, "reply 1 1")
    assert len(bench.emulator.said(ANN)) < 30


def test_a_thousand_updates_of_one_conversation_stop_no_other_and_none_is_lost(bench: Bench):
    bench.emulator.people([ANN, BOB])
    bot = bench.bot()
    bench.emulator.write([(ANN, "async-hold 0")])
    bench.emulator.write([(ANN, f"async {n}") for n in range(1, 1000)])
    bench.emulator.write([(BOB, "async 1")])
    assert_answered(bench, BOB, "reply 1 1")
    bot.wait_for_line(f"conversation_behind: 1 conversations have more updates than they get done: {ANN}", timeout=LATE)
    assert bench.database.updates.filter(status="pending").count() == 1000

    (bench.flags / "go").touch()
    bench.database.wait_done(1001, 120, bot=bot)
    assert [n for who, n in bench.database.records() if who == ANN] == list(range(1000))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_suspects_that_hang_alone_do_not_keep_a_start_from_serving_others(bench: Bench):
    bench.emulator.people([ANN, BOB, "cid@example.com"])
    hang = [(ANN, "async-hold 1"), (BOB, "async-hold 1")]
    for _ in range(3):
        bot = bench.bot(HANDLER_TIMEOUT=None)
        if hang:
            bench.emulator.write(hang)
            hang = []
        wait_until(lambda: len(bench.database.records()) >= 2, 60, "both run")
        time.sleep(1)
        bot.kill()
        bot.wait()

    bot = bench.bot(HANDLER_TIMEOUT=None)
    asked = polls(bench)
    bench.emulator.write([("cid@example.com", "async 1")])
    wait_until(lambda: polls(bench) > asked, LATE, "it polls meanwhile")
    bot.wait_for_line("suspects_alone: 2 updates", timeout=LATE)
    assert_answered(bench, "cid@example.com", "reply 1 1", 60 + LATE)
    bot.terminate()
    assert bot.wait(60) == 0
    assert bench.database.statuses() == {"done": 1, "pending": 2}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_host_whose_clock_is_a_minute_ahead_steals_no_lease(bench: Bench):
    bench.emulator.people([ANN])
    true = {"TESTBOT_LEASE_SECONDS": "3"}
    first = bench.bot(env=true)
    second = bench.bot(env=true | {"TESTBOT_CLOCK_SECONDS": "60"}, ready=False)
    third = bench.bot(env=true | {"TESTBOT_CLOCK_SECONDS": "-60"}, ready=False)
    for other in (second, third):
        other.wait_for_line(rf"polled by \S+:{first.pid}:\w+; standing by")
    time.sleep(5)
    assert " runs at http" not in second.output + third.output
    bench.emulator.write([(ANN, "async 1")])
    assert_answered(bench, ANN, "reply 1 1")

    first.kill()
    began = time.monotonic()
    wait_until(lambda: " runs at http" in second.output + third.output, 15 + LATE, "another takes over")
    assert time.monotonic() - began < 15 + LATE / 2
    bench.emulator.write([(ANN, "async 2")])
    assert_answered(bench, ANN, "reply 2 2")


@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
def test_of_a_returned_list_only_the_head_is_unknown_after_a_kill(bench: Bench):
    crowd = [f"p{number}@example.com" for number in range(20)]
    bench.emulator.people(crowd)
    bot = bench.bot()
    bench.emulator.sends_take(1.5)
    bench.emulator.write([(who, "twice 1") for who in crowd])
    wait_until(lambda: bench.database.call_statuses()["sending"] >= 10, 60, "heads are on their way")
    bot.send(signal.SIGKILL)
    bot.wait()
    bench.emulator.faults()

    bot = bench.bot()
    bench.database.wait_quiet()
    statuses = bench.database.call_statuses()
    assert set(statuses) <= {"sent", "unknown"}
    assert statuses.total() == 40
    assert statuses["unknown"] <= 20
    texts = bench.database.calls.filter(status="unknown").values_list("params", flat=True)
    assert {params["text"] for params in texts} <= {"reply 1 a"}
