"""The token stands in the body of a request and nowhere else: no error, no repr, no log, no traceback."""

import asyncio
import json
import logging
import sys
import threading
import traceback
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.fakes import API_URL, FakeTransport, answer, refusal
from tests.api.serving import HttpServer
from vkteams_bot.api import Bot, InputFile, redaction
from vkteams_bot.api.methods import GetMe, SendFile, SendText
from vkteams_bot.api.redaction import MASK, redact, remember_token
from vkteams_bot.exceptions import CallError, ConfigurationError

TOKENS = [
    "001.2659914704.0218887601:747432131",
    "secret token/with+odd=chars%41&ключ",
]


def spellings(token):
    return {token, quote(token, safe=""), quote_plus(token), quote(token, safe=":"), json.dumps(token)[1:-1]}


def echoes(token):
    """What a server or a library might say back."""
    for spelling in sorted(spellings(token) - {json.dumps(token)[1:-1]}):
        text = f"bad token {spelling}: token={spelling}&x"
        yield refusal(text)
        yield refusal(text, 500)
        yield refusal("x" * 495 + spelling)
        yield httpx.Response(404, content=text.encode())
        yield httpx.ConnectError(text)
        yield httpx.ReadTimeout(text)
        yield httpx.ProxyError(text)
        yield httpx.InvalidURL(text)
        yield httpx.Response(200, content=b"not json " + text.encode())
    yield answer(msgId={"token": token})
    yield answer(msgId="1", userId="1", description=token)


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("method", [GetMe(), SendText("c", "t"), SendFile("c", InputFile(b"x", filename="f"))])
def test_token_is_written_down_nowhere(token, method, face, clock, caplog):
    said = []
    with caplog.at_level(logging.DEBUG):
        for item in echoes(token):
            transport = FakeTransport(item)
            bot = Bot(token, API_URL, transport=transport, sync_transport=transport)
            call = bot.get_me()
            said += [repr(bot), repr(call), repr(call.take()), repr(method)]
            try:
                said.append(repr(asyncio.run(bot.execute(method)) if face == "async" else bot.execute_sync(method)))
            except CallError as error:
                said += [str(error), repr(error), repr(error.method), repr(error.args), error.message]
                said += ["".join(traceback.format_exception(error))]
                said += ["".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())]
            # It was sent, in the body alone.
            said += [str(request.url) + str(request.headers) for request in transport.requests]
            assert all(quote_plus(token).encode() in body or token.encode() in body for body in transport.bodies)
    said += [record.getMessage() + str(vars(record)) for record in caplog.records]
    assert any(record.name == "vkteams_bot.api" for record in caplog.records)
    for text in said:
        for spelling in spellings(token):
            assert spelling not in text


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("status", [200, 302, 500])
def test_logs_of_the_libraries_below_do_not_have_it(token, status, face, caplog):
    """Over a real connection, so that httpcore has something to log."""
    with HttpServer() as server, caplog.at_level(logging.DEBUG):
        server.answer = answer(status, userId="1") if status == 200 else httpx.Response(status, content=b"no")

        def main():
            bot = Bot(token, server.url, retries=0)
            try:
                if face == "sync":
                    return bot.get_me().send()
                return asyncio.run(fetch(bot))
            except CallError:
                return None
            finally:
                bot.close()

        async def fetch(bot):
            async with bot:
                return await bot.get_me()

        main()
        assert server.requests[0].path == "/bot/v1/self/get"
        assert quote_plus(token).encode() in server.requests[0].body
    assert {record.name.partition(".")[0] for record in caplog.records} >= {"vkteams_bot"}
    assert face == "async" or any(record.name.startswith("httpcore") for record in caplog.records)
    for record in caplog.records:
        for spelling in spellings(token):
            assert spelling not in record.getMessage() + str(vars(record))


def test_texts_of_people_are_not_logged(face, clock, caplog):
    transport = FakeTransport(answer(msgId="1"), refusal("Bad request"))
    bot = Bot(TOKENS[0], API_URL, transport=transport, sync_transport=transport)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            try:
                method = SendText("a-chat", "a private text")
                asyncio.run(bot.execute(method)) if face == "async" else bot.execute_sync(method)
            except CallError:
                pass
    ours = [record for record in caplog.records if record.name == "vkteams_bot.api"]
    assert len(ours) == 2
    assert all(record.levelno == logging.DEBUG for record in ours)
    assert "messages/sendText 200 in " in ours[0].getMessage()
    assert "messages/sendText: Bad request after " in ours[1].getMessage()
    assert all("private" not in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize(
    "url",
    [
        f"https://bots.example.ru/bot/v1?token={TOKENS[0]}",
        f"https://{TOKENS[0]}@bots.example.ru/bot/v1",
        f"ftp://{TOKENS[0]}/",
        f"https://user:password@bots.example.ru/bot/v1#{TOKENS[0]}",
    ],
)
def test_address_that_holds_a_secret_is_refused_without_showing_it(url):
    with pytest.raises(ConfigurationError) as raised:
        Bot(TOKENS[0], url)
    assert TOKENS[0] not in "".join(traceback.format_exception(raised.value))
    assert "password" not in "".join(traceback.format_exception(raised.value))


def test_proxy_password_is_not_shown():
    with pytest.raises(ConfigurationError) as raised:
        Bot(TOKENS[0], API_URL, proxy="socks5://user:hunter2@proxy")
    assert "hunter2" not in str(raised.value)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("token=001.1234567890.1234567890:1000000001&a=1", f"token={MASK}&a=1"),
        ("token=001.1234567890.1234567890%3A1000000001", f"token={MASK}"),
        ("token=001.1234567890.1234567890%3a1000000001", f"token={MASK}"),
        ("two 001.1234567890.1234567890:1 002.1234567890.1234567890:2", f"two {MASK} {MASK}"),
        ("10.0.0.1:8080 and 001.2.3:4", "10.0.0.1:8080 and 001.2.3:4"),
        ("", ""),
    ],
)
def test_what_looks_like_a_token_is_hidden_though_never_seen(text, redacted):
    assert redact(text) == redacted


@pytest.fixture(scope="module")
def tokens_forgotten():
    """What a test lets `redact` remember is forgotten after this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redaction, "_known", set(redaction._known))
        yield


@pytest.mark.usefixtures("tokens_forgotten")
@given(st.text(min_size=12).map(lambda text: f"<{text}>"), st.text(), st.text())
def test_known_token_of_any_shape_is_hidden(token, before, after):
    remember_token(token)
    assert token not in redact(before + token + after)


def test_bots_may_be_made_while_others_write_logs(tokens_forgotten):
    """`redact` once walked the set of tokens while another thread added to it."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    stop = threading.Event()
    failures = []

    def write():
        try:
            while not stop.is_set():
                redact("some text" * 20)
        except RuntimeError as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(3000):
            remember_token(f"001.0000000001.0000000002:{number:010}")
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert failures == []
    assert redact("x 001.0000000001.0000000002:0000000017 y") == f"x {MASK} y"


def test_empty_token_is_not_remembered():
    remember_token("")
    assert redact("abc") == "abc"


def test_what_is_too_short_for_a_secret_does_not_cut_up_texts():
    remember_token("001")
    assert redact("vkteams_bot.W001 at 10.001") == "vkteams_bot.W001 at 10.001"
