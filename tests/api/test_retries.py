"""What is sent again, counted at the transport; sleeping is a fake clock's."""

import asyncio
import ssl
from typing import Any

import httpx
import pytest

from tests.api.fakes import MSG_ID, FakeTransport, answer, bot_over, refusal, send
from vkteams_bot import exceptions as exc
from vkteams_bot.api import InputFile
from vkteams_bot.api.methods import (
    METHODS,
    AddChatMembers,
    AnswerCallbackQuery,
    BlockUser,
    CreateChat,
    DeleteChatMembers,
    DeleteMessages,
    EditText,
    GetBlockedUsers,
    GetChatAdmins,
    GetChatInfo,
    GetChatMembers,
    GetEvents,
    GetFileInfo,
    GetMe,
    GetPendingUsers,
    Method,
    PinMessage,
    ResolvePending,
    SendActions,
    SendFile,
    SendText,
    SendTextWithDeeplink,
    SendVoice,
    SetChatAbout,
    SetChatAvatar,
    SetChatRules,
    SetChatTitle,
    ThreadsAdd,
    ThreadsAutosubscribe,
    ThreadsGetSubscribers,
    UnblockUser,
    UnpinMessage,
)
from vkteams_bot.api.retry import RetryPolicy
from vkteams_bot.limits import LocalLimiter, RatePolicy

ONCE: list[Method[Any]] = [
    SendText("c", "t"),
    SendTextWithDeeplink("c", "t", "d"),
    SendFile("c", file_id="0"),
    SendFile("c", InputFile(b"x", filename="f")),
    SendVoice("c", file_id="I"),
    CreateChat("n"),
    AddChatMembers("c", ["a"]),
    ResolvePending("c", True, everyone=True),
]
REPEATABLE: list[Method[Any]] = [
    GetMe(),
    GetEvents(),
    GetChatInfo("c"),
    GetFileInfo("Z"),
    SendActions("c", "typing"),
    EditText("c", 1, "t"),
    DeleteMessages("c", 1),
    AnswerCallbackQuery("q"),
    SetChatTitle("c", "t"),
    SetChatAbout("c", "t"),
    SetChatRules("c", "t"),
    SetChatAvatar("c", InputFile(b"x", filename="x.png")),
    PinMessage("c", 1),
    UnpinMessage("c", 1),
    GetChatAdmins("c"),
    GetChatMembers("c"),
    GetBlockedUsers("c"),
    GetPendingUsers("c"),
    DeleteChatMembers("c", ["a"]),
    BlockUser("c", "a"),
    UnblockUser("c", "a"),
    ThreadsAdd("c", 1),
    ThreadsGetSubscribers("t", page_size=1),
    ThreadsAutosubscribe("c", True),
]


def untrusted():
    error = httpx.ConnectError("no")
    error.__cause__ = ssl.SSLCertVerificationError(1, "self-signed")
    return error


NEVER_LEFT = [
    httpx.ConnectError("no"),
    httpx.ConnectTimeout("late"),
    httpx.PoolTimeout("full"),
    httpx.ProxyError("no tunnel"),
]
TOLD_TO_WAIT = [httpx.Response(429), refusal("Ratelimit")]
UNKNOWN = [
    httpx.ReadTimeout("late"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.WriteTimeout("late"),
    httpx.RemoteProtocolError("gone"),
    httpx.Response(500),
    httpx.Response(502, content=b"<html>"),
    httpx.Response(503),
    httpx.Response(504),
    refusal("busy", 503),
    refusal("Server error: id=0x1"),
    httpx.Response(200, content=b'{"ok":tr'),
    httpx.Response(200, content=b"{}"),
]
KNOWN = [
    untrusted(),
    httpx.Response(404),
    httpx.Response(302),
    refusal("Invalid token"),
    refusal("Unknown method"),
    refusal("Method not allowed"),
    refusal("Permission denied"),
    refusal("Bad request"),
    refusal("Format error"),
    refusal("msgId not found"),
]

CASES = [
    *[(failure, method, 4) for failure in NEVER_LEFT + TOLD_TO_WAIT for method in ONCE + REPEATABLE],
    *[(failure, method, 1) for failure in UNKNOWN for method in ONCE],
    *[(failure, method, 4) for failure in UNKNOWN for method in REPEATABLE],
    *[(failure, method, 1) for failure in KNOWN for method in ONCE + REPEATABLE],
]


SEVEN = {"retry-after": "7"}


def name(value):
    if isinstance(value, httpx.Response):
        return f"{value.status_code}-{value.content[:30].decode()}"
    return getattr(value, "path", None) or (type(value).__name__ if isinstance(value, Exception) else str(value))


def test_every_method_is_in_the_table():
    assert {method.path for method in ONCE + REPEATABLE} == set(METHODS)
    assert {path for path, method in METHODS.items() if not method.safe_to_repeat} == {m.path for m in ONCE}


@pytest.mark.parametrize(("failure", "method", "requests"), CASES, ids=name)
def test_only_what_is_safe_is_sent_again(failure, method, requests, face, clock):
    transport = FakeTransport(failure)
    with pytest.raises(exc.CallError):
        send(bot_over(transport, clock=clock), method, face)
    assert len(transport.requests) == requests
    assert len(set(transport.bodies)) == 1 or method.upload


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_retries_are_at_most_the_configured_number(retries, face, clock):
    transport = FakeTransport(httpx.ConnectError("no"))
    with pytest.raises(exc.NotSent):
        send(bot_over(transport, clock=clock, retries=retries), ONCE[0], face)
    assert len(transport.requests) == retries + 1
    assert len(clock.naps) == retries


def test_caller_may_ask_for_other_retries_than_the_bot(clock):
    transport = FakeTransport(httpx.ConnectError("no"))
    with pytest.raises(exc.NotSent):
        asyncio.run(bot_over(transport, clock=clock).execute(ONCE[0], retries=1))
    assert len(transport.requests) == 2


def test_success_after_failures_is_the_result(face, clock):
    failures = [httpx.ConnectError("no"), httpx.Response(429), httpx.PoolTimeout("full")]
    transport = FakeTransport(*failures, answer(msgId=MSG_ID))
    sent = send(bot_over(transport, clock=clock), ONCE[0], face)
    assert sent.msg_id == MSG_ID
    assert len(transport.requests) == 4


def test_unsafe_failure_after_a_safe_one_ends_it(face, clock):
    transport = FakeTransport(httpx.ConnectError("no"), httpx.ReadTimeout("late"), answer(msgId=MSG_ID))
    with pytest.raises(exc.OutcomeUnknown):
        send(bot_over(transport, clock=clock), ONCE[0], face)
    assert len(transport.requests) == 2


def test_pauses_grow(face, clock):
    with pytest.raises(exc.NotSent):
        send(bot_over(FakeTransport(httpx.ConnectError("no")), clock=clock), ONCE[0], face)
    assert [low <= nap <= high for nap, (low, high) in zip(clock.naps, [(0.25, 0.5), (0.5, 1), (1, 2)], strict=True)]


@pytest.mark.parametrize("limited", [httpx.Response(429, headers=SEVEN), refusal("Ratelimit", **SEVEN)])
def test_rate_limited_call_is_sent_again_after_the_time_that_the_server_names(limited, face, clock):
    transport = FakeTransport(limited, answer(msgId=MSG_ID))
    started = clock.now
    send(bot_over(transport, clock=clock), ONCE[0], face)
    assert clock.now - started == pytest.approx(7)
    assert len(transport.requests) == 2


@pytest.mark.parametrize(("headers", "seconds"), [(SEVEN, 7), ({}, 1)])
def test_rate_limit_pauses_everybody_who_shares_the_limiter(headers, seconds, face, clock):
    limiter = LocalLimiter(RatePolicy(), clock=clock)
    limited = bot_over(FakeTransport(httpx.Response(429, headers=headers)), limiter=limiter, retries=0)
    other = FakeTransport(answer(msgId=MSG_ID))
    with pytest.raises(exc.RateLimited):
        send(limited, ONCE[0], face)
    assert clock.naps == []
    assert limiter.try_take("d") is False
    send(bot_over(other, limiter=limiter), SendText("d", "t"), face)
    assert clock.naps == [pytest.approx(seconds)]


HOUR = {"retry-after": "3600"}


@pytest.mark.parametrize("limited", [httpx.Response(429, headers=HOUR), refusal("Ratelimit", **HOUR)])
def test_retry_after_of_hours_is_told_instead_of_slept(limited, face, clock):
    transport = FakeTransport(limited)
    bot = bot_over(transport, clock=clock)
    with pytest.raises(exc.RateLimited) as caught:
        send(bot, ONCE[0], face)
    assert caught.value.retry_after == 3600
    clock.now += 600
    for method in ONCE + REPEATABLE:
        if method.charged:
            with pytest.raises(
                exc.RateLimited, match=r"a pause, of which 3000 s are left\. Nothing was sent"
            ) as caught:
                send(bot, method, face)
            assert caught.value.retry_after == pytest.approx(3000)
            assert caught.value.method == method
    assert clock.naps == []
    assert len(transport.requests) == 1


def test_after_the_pause_calls_are_sent_as_if_none_had_been_refused(face, clock):
    limiter = LocalLimiter(RatePolicy(rate=1, burst=1, chat_rate=1), clock=clock)
    bot = bot_over(FakeTransport(answer(msgId=MSG_ID)), limiter=limiter)
    limiter.pause(3600)
    for _ in range(100):
        with pytest.raises(exc.RateLimited):
            send(bot, ONCE[0], face)
    clock.now += 3600
    send(bot, ONCE[0], face)
    assert sum(clock.naps) <= 2


@pytest.mark.parametrize(("bound", "requests"), [(0, 1), (6.9, 1), (7, 2), (13, 2), (14, 3), (100, 4)])
def test_call_waits_for_pauses_up_to_the_bound_in_all(bound, requests, face, clock):
    transport = FakeTransport(httpx.Response(429, headers=SEVEN))
    with pytest.raises(exc.RateLimited) as caught:
        send(bot_over(transport, clock=clock, max_retry_after=bound), ONCE[0], face)
    assert caught.value.retry_after == 7
    assert len(transport.requests) == requests
    assert clock.naps == [pytest.approx(7)] * (requests - 1)


def test_pauses_between_repeats_and_before_the_turn_are_one_sum(face, clock):
    limiter = LocalLimiter(RatePolicy(), clock=clock)
    limiter.pause(25)
    transport = FakeTransport(httpx.Response(429, headers=SEVEN))
    with pytest.raises(exc.RateLimited):
        send(bot_over(transport, limiter=limiter), ONCE[0], face)
    assert len(transport.requests) == 1
    assert clock.naps == [pytest.approx(25)]


def test_backoff_without_a_pause_of_the_server_is_not_bounded(face, clock):
    transport = FakeTransport(httpx.ConnectError("no"), answer(msgId=MSG_ID))
    assert send(bot_over(transport, clock=clock, max_retry_after=0), ONCE[0], face).msg_id == MSG_ID


def test_calls_that_queue_for_the_rate_are_all_sent_however_long_it_takes(face, clock):
    """Only what the server asks for is bounded: at 10 per second the last of 1 000 waits for a hundred seconds."""
    limiter = LocalLimiter(RatePolicy(rate=10, burst=1), clock=clock)
    transport = FakeTransport(answer(msgId=MSG_ID))
    bot = bot_over(transport, limiter=limiter)
    for _ in range(999):
        limiter.reserve(None)
    send(bot, ONCE[0], face)
    assert clock.naps == [pytest.approx(99.9)]
    assert len(transport.requests) == 1


def test_caller_who_has_taken_the_turn_is_sent_in_a_pause(clock):
    limiter = LocalLimiter(RatePolicy(), clock=clock)
    limiter.pause(3600)
    transport = FakeTransport(answer(msgId=MSG_ID))
    asyncio.run(bot_over(transport, limiter=limiter).execute(ONCE[0], charged=False))
    assert len(transport.requests) == 1


def test_long_poll_is_neither_charged_nor_paused(face, clock):
    limiter = LocalLimiter(RatePolicy(rate=1, burst=1), clock=clock)
    limiter.pause(60)
    transport = FakeTransport(answer(events=[]))
    for _ in range(5):
        send(bot_over(transport, limiter=limiter), GetEvents(), face)
    assert clock.naps == []


def test_requests_are_charged(face, clock):
    limiter = LocalLimiter(RatePolicy(rate=5, burst=2), clock=clock)
    bot = bot_over(FakeTransport(answer(msgId=MSG_ID)), limiter=limiter)
    for _ in range(6):
        send(bot, ONCE[0], face)
    assert clock.naps == [pytest.approx(0.2)] * 4


def test_repeats_are_charged(face, clock):
    limiter = LocalLimiter(RatePolicy(rate=0.01, burst=1), clock=clock)
    transport = FakeTransport(httpx.ConnectError("no"), answer(msgId=MSG_ID))
    started = clock.now
    send(bot_over(transport, limiter=limiter), ONCE[0], face)
    assert clock.now - started == pytest.approx(100)


def test_caller_who_has_taken_the_turn_is_not_charged_again(clock):
    limiter = LocalLimiter(RatePolicy(rate=0.01, burst=1), clock=clock)
    bot = bot_over(FakeTransport(answer(msgId=MSG_ID)), limiter=limiter)
    assert limiter.try_take("c")
    asyncio.run(bot.execute(ONCE[0], charged=False))
    assert clock.naps == []


def test_chats_have_their_own_limit(face, clock):
    limiter = LocalLimiter(RatePolicy(chat_rate=1), clock=clock)
    bot = bot_over(FakeTransport(answer(msgId=MSG_ID)), limiter=limiter)
    for chat in "abab":
        send(bot, SendText(chat, "t"), face)
    assert clock.naps == [pytest.approx(1)]


def test_policy_gives_up_on_a_certificate():
    assert RetryPolicy().pause(exc.TLSError("m"), ONCE[0], 1) is None
    assert RetryPolicy().pause(exc.NotSent("m"), ONCE[0], 3) is not None
    assert RetryPolicy().pause(exc.NotSent("m"), ONCE[0], 4) is None
    assert RetryPolicy().pause(exc.RateLimited("m", retry_after=0.0), ONCE[0], 1) == 0.0
