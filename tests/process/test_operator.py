"""What kills the process is found, and what an operator asks for is done by the bot that runs."""

import pytest

from tests.process.bench import Bench
from tests.processes import wait_until
from vkteams_bot.stores import inbox, outbox

pytestmark = pytest.mark.process

KILLER = "killer@example.com"


def crash(bench: Bench, times: int) -> None:
    for _ in range(times):
        bot = bench.bot(ready=False)
        assert bot.wait() == 9, bot


def test_an_update_that_kills_its_process_is_given_up_after_five_crashes(bench: Bench):
    bench.emulator.people([KILLER, "other@example.com"])
    bench.emulator.write([(KILLER, "die 1"), (KILLER, "async 2")])
    crash(bench, 5)

    bench.emulator.write([("other@example.com", "async 1")])
    bench.bot()
    bench.database.wait_done(2)

    found = bench.database.updates.get(status="failed")
    assert (found.attempts, found.chat_id) == (5, KILLER)
    assert "died twice while this update alone" in found.error
    assert found.done_at is not None
    assert bench.database.statuses() == {"failed": 1, "done": 2}
    bench.database.wait_calls(2)

    (bench.flags / "calm").touch()
    assert inbox.retry(bench.database.updates.failed()) == 1
    bench.database.wait_done(3, timeout=20)
    wait_until(lambda: len(bench.emulator.said(KILLER)) == 2, 20, "the reply of the retried update")
    assert [message["text"] for message in bench.emulator.said(KILLER)][-1] == "reply 1 alive"


def test_those_that_ran_beside_the_killer_are_not_blamed(bench: Bench):
    innocent = [f"p{number}@example.com" for number in range(8)]
    bench.emulator.people([KILLER, *innocent])
    bench.emulator.write([*((who, "async-hold 1") for who in innocent), (KILLER, "die 1 1")])
    # In the first three it cannot be known who did it.
    crash(bench, 3)
    assert bench.database.statuses() == {"running": 9}, "they ran beside it"

    (bench.flags / "go").touch()
    # Then each runs alone, and the killer's turn is the last.
    for _ in range(2):
        crash(bench, 1)
        assert bench.database.statuses() == {"done": 8, "alone": 1}
    bench.bot()

    wait_until(bench.database.updates.failed().exists, 60, "the killer is given up")
    assert bench.database.updates.failed().get().chat_id == KILLER
    assert bench.database.statuses() == {"failed": 1, "done": 8}


def test_failed_updates_are_retried(bench: Bench):
    bench.emulator.people(["a@example.com"])
    bench.emulator.write([("a@example.com", "fail 7"), ("a@example.com", "async 8")])
    bench.bot()
    bench.database.wait_done(1)
    failed = bench.database.updates.failed().get()
    assert "the flag is not there: 7" in failed.error
    assert failed.handler.endswith(":fails")
    assert bench.database.conversations.get().data["seen"] == [8], "a failed handler changes no state"

    (bench.flags / "calm").touch()
    inbox.retry(bench.database.updates.failed())

    bench.database.wait_done(2, timeout=20)
    assert bench.database.conversations.get().data["seen"] == [8, 7]
    wait_until(lambda: bench.emulator.said("a@example.com")[-1]["text"] == "reply 7 mended", 20, "its reply")
    assert bench.database.updates.get(pk=failed.pk).error == ""


def test_open_calls_are_sent_again_or_dropped(bench: Bench):
    people = ["again@example.com", "never@example.com"]
    bench.emulator.people(people)
    bench.emulator.faults(
        {"kind": "status", "status": 502, "method": "messages/sendText", "times": 1},
        {"kind": "refuse", "description": "Permission denied", "method": "messages/sendText", "times": 1},
    )
    bench.bot()
    bench.emulator.write([("again@example.com", "async 1")])
    bench.database.wait_calls(1, status="unknown")
    bench.emulator.write([("never@example.com", "async 1")])
    bench.database.wait_calls(1, status="failed")
    assert bench.database.calls.open().count() == 2

    assert outbox.drop(bench.database.calls.filter(chat_id="never@example.com")) == 1
    assert outbox.requeue(bench.database.calls.open()) == 1

    bench.database.wait_calls(1, timeout=20)
    assert [message["text"] for message in bench.emulator.said("again@example.com")] == ["reply 1 1"]
    # What was dropped stays so while the bot goes on working.
    bench.emulator.write([("never@example.com", "async 2")])
    bench.database.wait_calls(2)
    assert [message["text"] for message in bench.emulator.said("never@example.com")] == ["reply 2 2"]
    assert bench.database.call_statuses() == {"sent": 2, "dropped": 1}


def test_a_waiting_call_can_be_dropped(bench: Bench):
    bench.emulator.people(["a@example.com"])
    bench.emulator.faults({"kind": "ratelimit", "method": "messages/sendText", "status": 429, "retryAfter": 1})
    bench.bot()
    bench.emulator.write([("a@example.com", "async 1")])
    wait_until(lambda: bench.database.calls.waiting().exclude(error="").exists(), 60, "the call waits")

    while not outbox.drop(bench.database.calls.waiting()):
        pass
    bench.emulator.faults()
    bench.emulator.write([("a@example.com", "async 2")])

    bench.database.wait_calls(1)
    assert [message["text"] for message in bench.emulator.said("a@example.com")] == ["reply 2 2"]
    assert bench.database.call_statuses() == {"sent": 1, "dropped": 1}
