"""What became of a request: every answer and every error of httpx to one of our outcomes, and none other escapes."""

import asyncio
import json
import pickle
import ssl
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.fakes import API_URL, MSG_ID, TOKEN, FakeTransport, answer, bot_over, refusal, send
from vkteams_bot import exceptions as exc
from vkteams_bot.api import Bot
from vkteams_bot.api.http.tls import REMEDY
from vkteams_bot.api.methods import DeleteMessages, GetEvents, GetMe, SendText
from vkteams_bot.api.responses import read_answer, translate

TEXT: Any = SendText("c", "a secret text")

ANY_METHOD: list[Any] = [TEXT, DeleteMessages("c", 1), GetEvents(), GetMe()]

NEVER_LEFT = {
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
}


def httpx_errors():
    """One instance of every public exception class of httpx."""
    request = httpx.Request("POST", API_URL)
    for name in sorted(httpx.__all__):
        kind = getattr(httpx, name)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            continue
        if issubclass(kind, httpx.HTTPStatusError):
            yield kind("why", request=request, response=httpx.Response(500, request=request))
        elif kind in (httpx.StreamConsumed, httpx.ResponseNotRead, httpx.RequestNotRead, httpx.StreamClosed):
            yield kind()
        else:
            yield kind("why")


ERRORS = list(httpx_errors())


def test_every_exception_of_httpx_is_looked_at():
    found = {value for value in vars(httpx).values() if isinstance(value, type) and issubclass(value, BaseException)}
    assert {type(error) for error in ERRORS} == found
    assert len(found) == 28
    assert found > NEVER_LEFT


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_of_httpx_leaves_as_a_call_error_with_the_right_outcome(error, face):
    transport = FakeTransport(error)
    with pytest.raises(exc.CallError) as raised:
        send(bot_over(transport, retries=0), TEXT, face)
    never_left = type(error) in NEVER_LEFT
    assert type(raised.value) is (exc.NotSent if never_left else exc.OutcomeUnknown)
    assert raised.value.outcome is (exc.Outcome.NEVER_LEFT if never_left else exc.Outcome.UNKNOWN)
    assert raised.value.method is TEXT
    assert str(raised.value).startswith("messages/sendText: ")
    assert type(error).__name__ in str(raised.value)
    assert "secret" not in str(raised.value)
    assert len(transport.requests) == 1


class BrokenBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, error):
        self.error = error
        self.closed = False

    def __iter__(self):
        yield b'{"ok":'
        raise self.error

    async def __aiter__(self):
        yield b'{"ok":'
        raise self.error

    def close(self):
        self.closed = True

    async def aclose(self):
        self.closed = True


class Streaming(httpx.AsyncBaseTransport, httpx.BaseTransport):
    def __init__(self, stream):
        self.stream = stream

    def handle_request(self, request):
        return httpx.Response(200, stream=self.stream)

    async def handle_async_request(self, request):
        return httpx.Response(200, stream=self.stream)


@pytest.mark.parametrize(
    "error", [error for error in ERRORS if type(error) not in NEVER_LEFT], ids=lambda error: type(error).__name__
)
def test_error_within_the_answer_is_an_unknown_outcome_and_closes_it(error, face):
    body = BrokenBody(error)
    with pytest.raises(exc.OutcomeUnknown):
        send(bot_over(Streaming(body)), TEXT, face)
    assert body.closed


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ssl.SSLError("decrypt"), TimeoutError()])
def test_error_of_the_system_is_an_unknown_outcome(error, face):
    with pytest.raises(exc.OutcomeUnknown, match=type(error).__name__):
        send(bot_over(FakeTransport(error)), TEXT, face)


@pytest.mark.parametrize("error", [KeyError("bug"), RuntimeError("bug")])
def test_mistake_in_the_code_is_not_dressed_up(error, face):
    with pytest.raises(type(error)):
        send(bot_over(FakeTransport(error)), TEXT, face)


def connect_error(cause):
    error = httpx.ConnectError("no connection")
    error.__cause__ = OSError("wrapped")
    error.__cause__.__context__ = cause
    return error


def test_untrusted_certificate_names_the_remedy_and_is_not_tried_again(face):
    transport = FakeTransport(connect_error(ssl.SSLCertVerificationError(1, "self-signed certificate")))
    with pytest.raises(exc.TLSError, match="self-signed certificate") as raised:
        send(bot_over(transport), TEXT, face)
    assert REMEDY in str(raised.value)
    assert "VERIFY" in REMEDY
    assert raised.value.outcome is exc.Outcome.NEVER_LEFT
    assert len(transport.requests) == 1


@pytest.mark.parametrize("cause", [ssl.SSLEOFError(8, "EOF occurred"), ssl.SSLError(1, "WRONG_VERSION_NUMBER")])
def test_other_failure_of_the_handshake_is_no_matter_of_trust(cause):
    assert type(translate(connect_error(cause), TEXT)) is exc.NotSent


def test_certificate_error_after_the_request_left_is_an_unknown_outcome():
    error = httpx.ReadError("renegotiation")
    error.__cause__ = ssl.SSLCertVerificationError(1, "self-signed certificate")
    assert type(translate(error, TEXT)) is exc.OutcomeUnknown


# Answers.

DESCRIPTIONS = [
    ("Invalid token", exc.InvalidToken),
    ("Missing required parameter 'token'", exc.BadRequest),
    ("Missing required parameter 'chatId'", exc.BadRequest),
    ("Unknown method", exc.UnknownMethod),
    ("unknown method: chats/vote", exc.UnknownMethod),
    ("Method not allowed", exc.MethodNotAllowed),
    ("Permission denied", exc.PermissionDenied),
    ("Error: permission denied for chat", exc.PermissionDenied),
    ("Bad request", exc.BadRequest),
    ("Invalid chatId", exc.NotFound),
    ("msgId not found", exc.NotFound),
    ("Chat not found", exc.NotFound),
    ("Incorrect threadId", exc.NotFound),
    ("Invalid file", exc.NotFound),
    ("Format error", exc.FormatError),
    ("user@corp is not pending or nobody in pending list", exc.BadRequest),
    ("Image is porn", exc.BadRequest),
    ("Ratelimit", exc.RateLimited),
    ("ratelimit", exc.RateLimited),
    ("Server error: id=0x5f3a", exc.OutcomeUnknown),
    ("server error", exc.OutcomeUnknown),
    ("Invalid queryId", exc.BadRequest),
    ("something new", exc.BadRequest),
    # Exact ones in another sentence are just another refusal.
    ("Invalid token of the chat", exc.BadRequest),
    ("Format error in file", exc.BadRequest),
]


@pytest.mark.parametrize(("description", "kind"), DESCRIPTIONS)
@pytest.mark.parametrize("status", [200, 400, 403])
def test_documented_description(description, kind, status, face):
    raised: Any
    with pytest.raises(exc.CallError) as raised:
        send(bot_over(FakeTransport(refusal(description, status)), retries=0), TEXT, face)
    assert type(raised.value) is kind
    assert raised.value.message == description
    assert str(raised.value).startswith(f"messages/sendText: {description}")
    assert str(raised.value).endswith(kind.hint)
    if kind is exc.OutcomeUnknown:
        assert raised.value.outcome is exc.Outcome.UNKNOWN
    else:
        assert raised.value.outcome is exc.Outcome.REFUSED
        assert raised.value.description == description


@pytest.mark.parametrize(
    ("description", "shown"),
    [
        (None, "the server refused without a reason"),
        ("", "the server refused without a reason"),
        (17, "the server refused without a reason"),
        ({"code": 1}, "the server refused without a reason"),
        ("two\r\nlines\0\x1b[31m", "two  lines  [31m"),
        ("half a pair \ud800", "half a pair"),
        ("  spaced  ", "spaced"),
        ("é" * 5000, "é" * 500),
    ],
)
def test_description_is_fit_for_a_log_and_a_database(description, shown):
    body = json.dumps({"ok": False, "description": description}).encode()
    with pytest.raises(exc.BadRequest) as raised:
        read_answer(TEXT, 200, None, body, None)
    assert raised.value.description == shown


NOT_ANSWERS = [
    b"",
    b"<html>502 Bad Gateway</html>",
    b'{"ok":true,"msgId":"5',
    b'{"ok":tru',
    b"null",
    b"[]",
    b'"ok"',
    b"17",
    b"{}",
    b'{"msgId":"1"}',
    b'{"ok":null,"msgId":"1"}',
    b'{"ok":"true","msgId":"1"}',
    b'{"ok":1,"msgId":"1"}',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"ok":' * 100_000,
]
STATUSES = {
    **dict.fromkeys((200, 201, 202, 204, 206, 408, 425, 500, 502, 503, 504, 520, 599), exc.OutcomeUnknown),
    **dict.fromkeys((300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 410, 413, 414, 418), exc.BadRequest),
}


@pytest.mark.parametrize("body", NOT_ANSWERS, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_what_is_no_answer(body, status, kind):
    with pytest.raises(exc.CallError) as raised:
        read_answer(TEXT, status, None, body, None)
    assert type(raised.value) is kind
    assert f"HTTP {status}" in str(raised.value)


def test_redirect_is_not_followed(face):
    transport = FakeTransport(httpx.Response(302, headers={"location": "https://evil.example/"}))
    with pytest.raises(exc.BadRequest, match="Is API_URL right"):
        send(bot_over(transport), TEXT, face)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_refusal_with_a_5xx_status_says_nothing_for_sure(status):
    with pytest.raises(exc.OutcomeUnknown, match="chat not found"):
        read_answer(TEXT, status, None, b'{"ok":false,"description":"chat not found"}', None)
    with pytest.raises(exc.OutcomeUnknown, match=f"HTTP {status}"):
        read_answer(TEXT, status, None, b'{"ok":false}', None)
    with pytest.raises(exc.InvalidToken):
        read_answer(TEXT, status, None, b'{"ok":false,"description":"Invalid token"}', None)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("inf", None),
        ("nan", None),
        ("1e300", None),
        ("86401", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
@pytest.mark.parametrize(
    ("status", "body"),
    [(429, b"<html>"), (429, b'{"ok":true,"msgId":"1"}'), (200, b'{"ok":false,"description":"Ratelimit"}')],
)
def test_rate_limit_says_when_to_come_back(status, body, header, seconds):
    with pytest.raises(exc.RateLimited) as raised:
        read_answer(TEXT, status, header, body, None)
    assert raised.value.retry_after == seconds
    assert raised.value.description == "Ratelimit"


@given(st.binary() | st.text().map(str.encode), st.integers(100, 599), st.none() | st.text(max_size=5))
def test_any_answer_is_a_result_or_a_call_error(body, status, retry_after):
    for method in ANY_METHOD[:3]:
        try:
            read_answer(method, status, retry_after, body, None)
        except exc.CallError:
            continue


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["ok", "description", "msgId", "events", "userId"]), json_values))
def test_any_object_is_a_result_or_a_call_error(body):
    for method in ANY_METHOD:
        try:
            read_answer(method, 200, None, json.dumps(body).encode(), None)
        except exc.CallError:
            continue
        assert body["ok"] is True


def test_endless_answer_is_given_up_and_closed(face):
    class Endless(BrokenBody):
        taken = 0

        def __iter__(self):
            while True:
                self.taken += 1
                yield b" " * 10_000

        async def __aiter__(self):
            while True:
                self.taken += 1
                yield b" " * 10_000

    body = Endless(None)
    with pytest.raises(exc.OutcomeUnknown, match="longer than 100000 bytes"):
        send(bot_over(Streaming(body), max_answer_bytes=100_000), TEXT, face)
    assert body.taken == 11
    assert body.closed


def test_answer_that_never_ends_is_given_up_in_time():
    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            await asyncio.sleep(3600)

    bot = Bot(TOKEN, API_URL, transport=Hanging(), timeout=0.05)
    with pytest.raises(exc.OutcomeUnknown, match="TimeoutError"):
        asyncio.run(bot.execute(TEXT))


def test_cancellation_goes_through():
    class Cancelling(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(bot_over(Cancelling()).execute(TEXT))


def test_errors_can_be_caught_by_the_base_and_pickled():
    error = exc.RateLimited("Ratelimit", method=TEXT, retry_after=3.0)
    again: Any = pickle.loads(pickle.dumps(error))
    assert issubclass(type(again), exc.VKTeamsError)
    assert (again.retry_after, again.method, str(again)) == (3.0, TEXT, str(error))


def test_every_outcome_has_its_place_in_the_tree():
    leaves = [value for value in vars(exc).values() if isinstance(value, type) and issubclass(value, exc.CallError)]
    assert len(leaves) == 13
    for kind in leaves:
        if kind is not exc.CallError:
            assert isinstance(kind("m").outcome, exc.Outcome)
    assert (exc.NotSent.outcome, exc.Refused.outcome, exc.OutcomeUnknown.outcome) == tuple(exc.Outcome)


# Told of what was sent.


class Hook:
    def __init__(self):
        self.told = []

    def sent(self, bot, method, result):
        self.told.append((bot, method, result))

    async def asent(self, bot, method, result):
        self.sent(bot, method, result)


def test_hook_is_told_of_what_changed_a_chat_and_only_of_success(face):
    bot = bot_over(FakeTransport(answer(msgId=MSG_ID), answer(), answer(userId="1"), refusal("Bad request")), retries=0)
    bot.sent_hook = hook = Hook()
    sent = send(bot, TEXT, face)
    send(bot, DeleteMessages("c", 1), face)
    send(bot, GetMe(), face)
    with pytest.raises(exc.BadRequest):
        send(bot, TEXT, face)
    assert hook.told == [(bot, TEXT, sent), (bot, DeleteMessages("c", 1), True)]
