import random
import time

import httpx
import pytest

from tests.emulator.serving import ALICE, BOB, served
from vkteams_bot.emulator.faults import Fault, Faults, parse_seconds, parse_short
from vkteams_bot.emulator.refusal import Refusal

SEND = "messages/sendText"


def send(emulator, chat_id=ALICE):
    return emulator.http.post(f"/bot/v1/{SEND}", data={"token": emulator.token, "chatId": chat_id, "text": "x"})


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"kind": "status", "status": 502}, 502, b"<html><h1>502</h1></html>"),
        ({"kind": "status", "status": 504, "body": "late"}, 504, b"late"),
        ({"kind": "garbage"}, 200, b"<html>"),
        ({"kind": "garbage", "body": '{"ok": tr'}, 200, b'{"ok": tr'),
        ({"kind": "ratelimit"}, 200, b'{"ok":false,"description":"Ratelimit"}'),
        ({"kind": "ratelimit", "status": 429}, 429, b""),
        ({"kind": "server_error"}, 200, b'{"ok":false,"description":"Server error: id=0x'),
        ({"kind": "refuse"}, 200, b'{"ok":false,"description":"Bad request"}'),
        ({"kind": "refuse", "description": "Image is porn"}, 200, b'{"ok":false,"description":"Image is porn"}'),
    ],
)
def test_answers_without_effect(emulator, fault, status, body):
    emulator.order("faults", {"method": SEND, "times": 1, **fault})

    response = send(emulator)

    assert response.status_code == status
    assert response.content.startswith(body)
    assert emulator.shown() == []
    assert send(emulator).json()["ok"] is True, "it struck once"
    assert emulator.ask("faults")["faults"] == [
        {"method": SEND, "probability": 1.0, "times": 1, "match": {}, **fault, "applied": 1}
    ]


def test_the_shape_of_ratelimit_is_a_switch_and_says_when(emulator):
    emulator.order("behaviour", {"ratelimit_status": 429})
    emulator.order("faults", {"kind": "ratelimit", "retryAfter": 2.5})

    response = send(emulator)

    assert (response.status_code, response.headers["retry-after"]) == (429, "2.5")


def test_a_disconnect_has_no_effect_and_a_late_one_has(emulator):
    emulator.order("faults", [{"kind": "disconnect", "times": 1}, {"kind": "disconnect_after", "times": 1}])

    for shown in (0, 1):
        with pytest.raises(httpx.RemoteProtocolError):
            send(emulator)
        assert len(emulator.shown()) == shown
    assert send(emulator).json()["ok"]


def test_hang_gives_no_answer(emulator):
    emulator.order("faults", [{"kind": "hang", "times": 1}, {"kind": "hang", "seconds": 0.3, "times": 1}])

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{emulator.origin}/bot/v1/{SEND}", timeout=0.3, trust_env=False)
    began = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        send(emulator)
    assert time.monotonic() - began >= 0.25
    assert send(emulator).json()["ok"]


def test_stopping_ends_what_hangs():
    with served(faults=Faults([Fault(kind="hang"), Fault(kind="latency", seconds=60, method="self/get")])) as emulator:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{emulator.origin}/bot/v1/{SEND}", timeout=0.2, trust_env=False)
        began = time.monotonic()
    assert time.monotonic() - began < 3


def test_latencies_add_up_and_come_before_another_fault(emulator):
    emulator.order(
        "faults", [{"kind": "latency", "seconds": 0.2}, {"kind": "latency", "seconds": 0.2}, {"kind": "refuse"}]
    )
    began = time.monotonic()

    assert send(emulator).json()["ok"] is False
    assert time.monotonic() - began >= 0.35


def test_a_fault_is_for_its_method_and_its_parameters(emulator):
    emulator.order("faults", {"method": SEND, "kind": "refuse", "match": {"chatId": BOB}})

    assert send(emulator).json()["ok"] is True
    assert send(emulator, BOB).json()["ok"] is False
    assert emulator.get("self/get")["ok"] is True


def test_an_object_adds_and_a_list_replaces(emulator):
    emulator.order("faults", {"kind": "garbage", "times": 1})
    emulator.order("faults", {"kind": "refuse"})
    assert [fault["kind"] for fault in emulator.ask("faults")["faults"]] == ["garbage", "refuse"]

    emulator.order("faults", [{"kind": "refuse", "method": "self/get"}])
    assert [fault["kind"] for fault in emulator.ask("faults")["faults"]] == ["refuse"]
    emulator.order("faults", [])
    assert emulator.ask("faults")["faults"] == []


def test_reset_goes_back_to_the_faults_of_the_beginning():
    with served(faults=Faults([Fault(kind="refuse", times=1)])) as emulator:
        assert send(emulator).json()["ok"] is False
        emulator.order("faults", [])
        emulator.order("reset")
        assert send(emulator).json()["ok"] is False
        assert send(emulator).json()["ok"] is True


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({"kind": "latency"}, "latency needs seconds"),
        ({"kind": "status"}, "needs status"),
        ({"kind": "ratelimit", "status": 500}, "200 or 429"),
        ({"kind": "flood"}, "kind"),
        ({}, "kind"),
        ({"kind": "garbage", "method": "messages/sendTex"}, "there is no method messages/sendTex"),
        ({"kind": "garbage", "probability": 2}, "probability"),
        ({"kind": "garbage", "retry_afte": 2}, "retry_afte"),
        (5, "Fault"),
    ],
)
def test_a_wrong_fault_is_named(emulator, fault, problem):
    answer = emulator.order("faults", fault, status=400)

    assert answer["ok"] is False
    assert problem in answer["description"]
    assert emulator.ask("faults")["faults"] == []


def test_probability():
    faults = Faults([Fault(kind="refuse", probability=0.25)], rng=random.Random(1))

    struck = sum(faults.outcome_of("self/get", {}).fault is not None for _ in range(4000))

    assert 900 < struck < 1100


def test_a_method_may_be_a_pattern():
    faults = Faults([Fault(kind="refuse", method="messages/*")])

    assert faults.outcome_of(SEND, {}).fault is not None
    assert faults.outcome_of("self/get", {}).fault is None


@pytest.mark.parametrize(
    ("short", "expected"),
    [
        ("502:0.1", {"kind": "status", "status": 502, "probability": 0.1}),
        ("502", {"kind": "status", "status": 502}),
        ("ratelimit@messages/sendText:0.05", {"kind": "ratelimit", "method": SEND, "probability": 0.05}),
        ("ratelimit=429", {"kind": "ratelimit", "status": 429}),
        ("latency=2s@events/get", {"kind": "latency", "seconds": 2.0, "method": "events/get"}),
        (
            "latency=30ms@messages/*:0.5#3",
            {"kind": "latency", "seconds": 0.03, "method": "messages/*", "probability": 0.5, "times": 3},
        ),
        ("hang=1m", {"kind": "hang", "seconds": 60.0}),
        ("hang", {"kind": "hang"}),
        ("disconnect_after#1", {"kind": "disconnect_after", "times": 1}),
        (
            "refuse=Permission denied@self/get",
            {"kind": "refuse", "description": "Permission denied", "method": "self/get"},
        ),
        ("garbage={:0.5", {"kind": "garbage", "body": "{", "probability": 0.5}),
    ],
)
def test_the_short_form(short, expected):
    assert parse_short(short) == Fault.model_validate(expected)


@pytest.mark.parametrize(
    "short",
    ["", "flood", "502:x", "502:1.5", "latency", "latency=soon", "garbage@nothing", "@self/get", "disconnect=5"],
)
def test_a_wrong_short_form(short):
    with pytest.raises(Refusal):
        parse_short(short)


@pytest.mark.parametrize(("text", "seconds"), [("30ms", 0.03), ("2s", 2.0), ("1.5", 1.5), ("1m", 60.0)])
def test_times(text, seconds):
    assert parse_seconds(text) == seconds
