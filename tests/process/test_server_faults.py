"""Whatever the server does: the bot recovers by itself, does not hammer it, and is honest about its replies."""

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.process.bench import Bench, Emulator, assert_replies_are_honest
from tests.processes import wait_until

pytestmark = pytest.mark.process

WHO = "a@example.com"
PEOPLE = [f"p{number}@example.com" for number in range(10)]
POLLS = "events/get"
SENDS = "messages/sendText"

POLL_FAULTS: dict[str, dict[str, Any]] = {
    "502": {"kind": "status", "status": 502},
    "cut": {"kind": "disconnect"},
    "cut after the effect": {"kind": "disconnect_after"},
    "garbage": {"kind": "garbage"},
    "not an answer": {"kind": "garbage", "body": "{}"},
    "no events": {"kind": "garbage", "body": '{"ok": true, "events": null}'},
    "ratelimit": {"kind": "ratelimit", "status": 200},
    "429": {"kind": "ratelimit", "status": 429, "retryAfter": 1},
    "server error": {"kind": "server_error"},
}


def texts(bench: Bench, who: str = WHO) -> list[str]:
    return [message["text"] for message in bench.emulator.said(who)]


def test_polls_that_fail_are_repeated_with_pauses(bench: Bench):
    """All kinds after one another; then the bot works as if nothing had been."""
    bench.emulator.people([WHO])
    bench.bot()
    for number, (name, fault) in enumerate(POLL_FAULTS.items()):
        bench.emulator.faults({**fault, "method": POLLS, "times": 1})
        bench.emulator.write([(WHO, f"async {2 * number}")])  # ends the poll that waits
        wait_until(lambda: bench.emulator.get("faults")["faults"][0]["applied"] > 0, 60, f"{name} strikes")
        bench.emulator.write([(WHO, f"async {2 * number + 1}")])
        bench.database.wait_done(2 * number + 2)
    bench.database.wait_quiet()
    assert assert_replies_are_honest(bench, [WHO]) == {"sent": 2 * len(POLL_FAULTS)}
    assert bench.database.conversations.get().data["seen"] == list(range(2 * len(POLL_FAULTS)))


@pytest.mark.parametrize(
    ("database", "name"),
    [("sqlite", "502"), ("sqlite", "429"), ("sqlite", "cut"), ("postgres", "garbage"), ("postgres", "empty")],
    indirect=["database"],
)
def test_a_server_that_only_fails_is_not_hammered(bench: Bench, name: str):
    """The worst is one that answers at once with nothing new: an ended poll, or an event without a number."""
    bench.emulator.people([WHO])
    bench.bot()
    empty = {"kind": "garbage", "body": '{"ok": true, "events": []}'}
    bench.emulator.faults({**POLL_FAULTS.get(name, empty), "method": POLLS})
    bench.emulator.write([(WHO, "async 1")])
    wait_until(lambda: bench.emulator.get("faults")["faults"][0]["applied"] >= 2, 60, "the fault strikes")

    before = bench.emulator.requests(POLLS)
    time.sleep(3)
    polls = bench.emulator.requests(POLLS) - before

    assert polls <= 9, "three a second"
    bench.emulator.faults()
    bench.database.wait_done(1)


def test_a_poll_that_hangs_is_given_up(bench: Bench):
    bench.emulator.people([WHO])
    token = {"TOKEN": "001.1234567890.0987654321:1000000001", "API_URL": bench.emulator.api_url}
    bench.bot(BOTS={"default": {**token, "POLL_TIME": 1, "TIMEOUT": 1}})
    bench.emulator.faults({"kind": "hang", "method": POLLS, "times": 1})
    wait_until(lambda: bench.emulator.get("faults")["faults"][0].get("applied") == 1, 60, "the poll hangs")

    bench.emulator.write([(WHO, "async 1")])

    bench.database.wait_done(1, 30)


def test_replies_during_faults_are_sent_once_or_unknown(bench: Bench):
    """One kind after another befalls all sends; a conversation each."""
    kinds: dict[str, dict[str, Any]] = {
        "502": {"kind": "status", "status": 502},
        "cut": {"kind": "disconnect"},
        "after": {"kind": "disconnect_after"},
        "garbage": {"kind": "garbage"},
        "server-error": {"kind": "server_error"},
        "ratelimit": {"kind": "ratelimit", "status": 200},
        "429": {"kind": "ratelimit", "status": 429, "retryAfter": 0.5},
        "refused": {"kind": "refuse", "description": "Permission denied"},
    }
    people = {name: f"{name}@example.com" for name in kinds}
    bench.emulator.people(people.values())
    bench.bot()
    faults = [
        {**fault, "method": SENDS, "match": {"chatId": people[name]}, "times": 2} for name, fault in kinds.items()
    ]
    bench.emulator.faults(*faults)
    bench.emulator.write([(who, f"async {n}") for n in range(3) for who in people.values()])
    bench.database.wait_done(3 * len(people))
    bench.database.wait_quiet()

    found: dict[str, list[str]] = {}
    for chat_id, status in bench.database.calls.order_by("id").values_list("chat_id", "status"):
        found.setdefault(chat_id.partition("@")[0], []).append(status)
    unknown = ["unknown", "unknown", "sent"]
    assert found == {
        **dict.fromkeys(("502", "cut", "after", "garbage", "server-error"), unknown),
        **dict.fromkeys(("ratelimit", "429"), ["sent"] * 3),
        "refused": ["failed", "failed", "sent"],
    }
    assert_replies_are_honest(bench, people.values())
    arrived = ["reply 0 1", "reply 1 2", "reply 2 3"]
    assert texts(bench, people["after"]) == arrived, "they had arrived, and were not sent again"
    assert texts(bench, people["502"]) == arrived[2:]
    assert texts(bench, people["ratelimit"]) == texts(bench, people["429"]) == arrived, "in order"


def test_on_unknown_resend_repeats(bench: Bench):
    bench.emulator.people([WHO])
    bench.emulator.faults({"kind": "disconnect_after", "method": SENDS, "times": 1})
    bench.bot(ON_UNKNOWN="resend")
    bench.emulator.write([(WHO, "async 1")])

    bench.database.wait_calls(1)

    assert texts(bench) == ["reply 1 1", "reply 1 1"]


def test_the_server_is_replaced_by_another_on_the_same_port(bench: Bench, emulate: Callable[..., Emulator]):
    """Its world is lost; event ids go on, since they come from the clock."""
    bench.emulator.people(PEOPLE)
    bot = bench.bot()
    bench.emulator.write([(who, "async 1 0.3") for who in PEOPLE])
    wait_until(lambda: len(bench.database.records()) == len(PEOPLE), 60, "the handlers run")
    bench.emulator.kill()
    bench.database.wait_done(len(PEOPLE))
    wait_until(lambda: bench.database.calls.exclude(error="").count() == len(PEOPLE), 60, "the replies could not leave")

    # The new world does not know these people at first: until then it takes no messages.
    bench.emulator = emulate("ratelimit@messages/sendText", port=bench.emulator.port)
    bench.emulator.people(PEOPLE)
    bench.emulator.faults()
    bench.emulator.write([(who, "async 2") for who in PEOPLE])

    bench.database.wait_done(2 * len(PEOPLE), bot=bot)
    bench.database.wait_quiet()
    statuses = assert_replies_are_honest(bench, PEOPLE)
    assert statuses["sent"] == 2 * len(PEOPLE), statuses
    assert all(texts(bench, who) == ["reply 1 1", "reply 2 2"] for who in PEOPLE), "in order"


def message(event_id: Any, text: str, **changes: Any) -> dict[str, Any]:
    payload = {
        "chat": {"chatId": WHO, "type": "private"},
        "from": {"userId": WHO, "firstName": "A"},
        "msgId": f"m{event_id}",
        "text": text,
        "timestamp": 1_700_000_000,
    }
    return {"eventId": event_id, "type": "newMessage", "payload": {**payload, **changes}}


def test_bad_events_are_marked_and_lose_nothing_of_their_batch(bench: Bench):
    """A batch with everything in it, handed to the bot as bytes that no JSON writer of ours has seen."""
    long_id, nul_id, lone_id = "x" * 300, "nul\x00@example.com", "\udfff@example.com"
    lone = "lone \ud800 surrogate"
    good = [
        message(1, "async 1"),
        message(20, "async 2", parts=[{"type": "novelty", "payload": {"deep": [[[{}]]]}}], surprise={"a": 1}),
        message(30, "async 3", **{"from": {"userId": WHO, "firstName": "N\x00UL", "lastName": lone}}),
        message(31, "async 4", chat={"chatId": nul_id, "type": "private"}),
        message(34, f"async 5 0 {lone} \x00 \\u0000 \\"),
        message(35, "async 6", timestamp=10**30, msgId=10**40),
        message("38", "async 7"),
        message(39, "async 8", chat={"chatId": WHO, "type": "private", "title": "t\x00" + "t" * 600}),
    ]
    bad: list[Any] = [
        "text",
        None,
        17,
        [],
        {"type": "newMessage"},
        {"eventId": 40, "type": "newMessage", "payload": {}},
        {"eventId": 41, "type": "newMessage", "payload": "text"},
        {"eventId": 42, "type": "somethingNew", "payload": {"x": "\x00", "y": lone, "z": 10**50}},
        {"eventId": 43, "type": None, "payload": {}},
        {"eventId": 44, "type": "t" * 300, "payload": {}},
        {"eventId": 10**30, "type": "newMessage", "payload": {}},
        {"eventId": -5, "type": "newMessage", "payload": {}},
        {"eventId": True, "type": "newMessage", "payload": {}},
        message(99, "lone", chat={"chatId": lone_id, "type": "private"}),
        message(100, "long", chat={"chatId": long_id, "type": "private"}),
        message(102, "long", msgId="m" * 300),
    ]
    # What is wrong with these costs them a side field only.
    soft = [
        message(45, "no sender", **{"from": None}),
        message(101, "long", **{"from": {"userId": long_id, "firstName": "A"}}),
        message(46, "not a number", timestamp="yesterday"),
    ]
    # Not JSON, but Python's parser and many others take it: the database may not.
    nan = {"eventId": 47, "type": "newMessage", "payload": {"x": float("nan")}}
    mixed = [event for pair in zip(good, bad, strict=False) for event in pair] + bad[len(good) :] + [*soft, nan]
    bench.emulator.people([WHO])
    bench.emulator.faults(
        {"kind": "garbage", "method": POLLS, "times": 1, "body": json.dumps({"ok": True, "events": mixed})}
    )

    bot = bench.bot()
    bench.database.wait_done(len(good) + len(soft), bot=bot)
    bench.emulator.write([(WHO, "async 9")])
    bench.database.wait_done(len(good) + len(soft) + 1, bot=bot)

    assert bench.database.statuses() == {"done": len(good) + len(soft) + 1, "invalid": len(bad) + 1}
    invalid = bench.database.updates.filter(status="invalid")
    assert not invalid.filter(error="").exists(), "each says why"
    assert bench.database.accounts.get().last_event_id == max(bench.database.updates.values_list("event_id", flat=True))
    counts = dict(bench.database.conversations.values_list("chat_id", "data__count"))
    assert sorted(counts.values()) == [1, 8]
    # A second message of the odd one finds its state again.
    odd = message("odd", "async 99", chat={"chatId": nul_id, "type": "private"})
    bench.emulator.events({"type": odd["type"], "payload": odd["payload"]})
    bench.database.wait_done(len(good) + len(soft) + 2, bot=bot)
    assert sorted(bench.database.conversations.values_list("data__count", flat=True)) == [2, 8]
    bench.database.wait_quiet()


def test_an_event_without_a_number_at_the_end_of_the_queue_makes_no_tight_loop(bench: Bench):
    """It comes with every poll until a later event is acknowledged: stored once, asked for slowly."""
    bench.emulator.people([WHO])
    bot = bench.bot()
    bench.emulator.events({"type": "newMessage", "payload": {}}, "text", raw=True)
    wait_until(lambda: bench.database.updates.count() == 2, 60, "both are stored")

    before = bench.emulator.requests(POLLS)
    time.sleep(3)
    assert bench.emulator.requests(POLLS) - before <= 9

    bench.emulator.write([(WHO, "async 1")])
    bench.database.wait_done(1, bot=bot)
    assert bench.database.statuses() == {"invalid": 2, "done": 1}
    assert not bench.database.updates.filter(status="invalid", event_id__gte=0).exists()


def test_the_api_is_down_at_the_start(bench: Bench, emulate: Callable[..., Emulator]):
    bench.emulator.kill()
    bot = bench.bot(ready=False)
    bot.wait_for_line("cannot reach its server, next try in")
    bench.emulator = emulate(port=bench.emulator.port)
    bench.emulator.people([WHO])
    bench.emulator.write([(WHO, "async 1")])

    bot.wait_for_line(" runs at http", timeout=30)
    bench.database.wait_calls(1)

    # And a bot that still waits for its server ends when it is asked to.
    bot.terminate()
    assert bot.wait() == 0
    bench.emulator.kill()
    waiting = bench.bot(ready=False)
    waiting.wait_for_line("cannot reach its server, next try in")
    waiting.send(signal.SIGTERM)
    assert waiting.wait(20) == 0
