"""What goes wrong first: each mistake ends, in time, in an error that says what to do."""

import asyncio
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
import trustme

from tests.api.fakes import TOKEN, answer, refusal
from tests.api.serving import HttpServer
from vkteams_bot.api import Bot, InputFile
from vkteams_bot.exceptions import (
    BadRequest,
    FormatError,
    InvalidCall,
    InvalidToken,
    MethodNotAllowed,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PermissionDenied,
    TLSError,
    UnknownMethod,
    VKTeamsError,
)
from vkteams_bot.keyboards import Button, InlineKeyboardBuilder
from vkteams_bot.text import Bold, Raw

SECRET = "what a person wrote "
PAGE = httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html><body>Welcome</body></html>")


@pytest.fixture
def server():
    with HttpServer() as server:
        yield server


def ask(bot, make, face):
    """Make a call with `bot`, send it, and close the bot."""

    async def main():
        async with bot:
            return await make(bot)

    try:
        return asyncio.run(asyncio.wait_for(main(), 30)) if face == "async" else make(bot).send()
    finally:
        bot.close()


def fails(kind, url, face, make=lambda bot: bot.send_text("c", SECRET), token=TOKEN, **options) -> Any:
    with pytest.raises(VKTeamsError) as raised:
        ask(Bot(token, url, **{"retries": 0, "timeout": 5, **options}), make, face)
    assert type(raised.value) is kind, raised.value
    for hidden in (SECRET, token, token.replace(":", "%3A")):
        assert hidden not in str(raised.value)
    return raised.value


def test_wrong_token(server, face):
    server.answer = refusal("Invalid token")
    assert "TOKEN" in str(fails(InvalidToken, server.url, face))


def test_host_that_does_not_exist(face):
    error = fails(NotSent, "https://bots.company.invalid/bot/v1", face)
    assert "API_URL" in str(error)


def test_port_where_nobody_listens(face):
    assert "API_URL" in str(fails(NotSent, "http://127.0.0.1:1/bot/v1", face))


@pytest.mark.parametrize("status", [200, 404])
def test_address_without_the_path_of_the_api(server, face, status):
    server.answer = lambda received: answer(msgId="1") if received.path.startswith("/bot/v1/") else page(status)
    error = fails(BadRequest if status == 404 else OutcomeUnknown, server.url.removesuffix("/bot/v1"), face)
    assert "ends with /bot/v1" in str(error)
    assert f"HTTP {status}" in str(error)


def page(status):
    return httpx.Response(status, headers=PAGE.headers, content=PAGE.content)


def test_address_with_a_slash_at_its_end_works(server, face):
    server.answer = answer(msgId="1")
    assert ask(Bot(TOKEN, f"{server.url}/"), lambda bot: bot.send_text("c", "t"), face).msg_id == "1"


def test_redirect_to_https(server, face):
    server.answer = httpx.Response(301, headers={"location": "https://bots.company.ru/bot/v1/messages/sendText"})
    error = fails(BadRequest, server.url, face)
    assert "HTTP 301" in str(error)
    assert "https://" in str(error)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls_server(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with HttpServer(ssl_context=context) as server:
        yield server


def test_https_where_http_is_spoken(server, face):
    assert "API_URL" in str(fails(NotSent, server.url.replace("http://", "https://"), face))


def test_http_where_https_is_spoken(tls_server, face):
    error = fails(OutcomeUnknown, tls_server.url.replace("https://", "http://"), face)
    assert "API_URL" in str(error)


def test_certificate_of_an_unknown_authority(tls_server, face):
    assert "VERIFY" in str(fails(TLSError, tls_server.url, face))


@pytest.mark.parametrize(
    ("description", "kind", "remedy"),
    [
        ("Invalid chatId", NotFound, "opened a dialog"),
        ("Permission denied", PermissionDenied, "admin"),
        ("Method not allowed", MethodNotAllowed, "administrator"),
        ("Unknown method", UnknownMethod, "too old"),
        ("Format error", FormatError, "Bold"),
    ],
)
def test_refusal_says_what_may_be_wrong(server, face, description, kind, remedy):
    server.answer = refusal(description)
    error = fails(kind, server.url, face)
    assert error.description == description
    assert remedy in str(error)


LONG = SECRET * 20_000


def send_long(bot):
    return bot.send_text("c", LONG)


def test_long_text_is_sent_whole(server, face):
    server.answer = answer(msgId="1")
    assert ask(Bot(TOKEN, server.url), send_long, face).msg_id == "1"
    assert len(server.requests[0].body) > 400_000


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (refusal("Bad request"), BadRequest),
        (refusal("Server error: id=0x1"), OutcomeUnknown),
        (page(413), BadRequest),
        (page(414), BadRequest),
    ],
)
def test_long_text_that_is_refused(server, face, response, kind):
    server.answer = response
    error = fails(kind, server.url, face, send_long)
    assert f"The text has {len(LONG)} characters: split_text" in str(error)


def test_long_caption_that_is_refused(server, face):
    server.answer = refusal("Bad request")
    error = fails(BadRequest, server.url, face, lambda bot: bot.send_file("c", file_id="Z", caption=LONG))
    assert "split_text" in str(error)


def test_short_text_that_is_refused_is_not_told_to_be_split(server, face):
    server.answer = refusal("Bad request")
    assert str(fails(BadRequest, server.url, face)) == "messages/sendText: Bad request"


TWO_ACTIONS = InlineKeyboardBuilder().add(Button(text="b", url="https://e.ru", callback_data="x")).as_markup()
NO_ACTION = [[{"text": "b"}]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda bot: bot.send_text("c", ""), "text is empty"),
        (lambda bot: bot.send_text("c", Bold("")), "text is empty"),
        (lambda bot: bot.edit_text("c", 1, ""), "text is empty"),
        (lambda bot: bot.send_text("c", "t", format={}, parse_mode="HTML"), "give either format or parse_mode"),
        (lambda bot: bot.send_text("c", Bold("t"), parse_mode="HTML"), "text: nodes have their own styles"),
        (lambda bot: bot.edit_text("c", 1, Bold("t"), format={}), "text: nodes have their own styles"),
        (
            lambda bot: bot.send_file("c", file_id="Z", caption=Bold("t"), parse_mode="HTML"),
            "caption: nodes have their own styles",
        ),
        (lambda bot: bot.send_text("c", Raw("<b>t</b>")), "send it in its parse mode"),
        (
            lambda bot: InlineKeyboardBuilder().button("b", url="https://e.ru", callback_data="x"),
            "exactly one of url and callback_data",
        ),
        (lambda bot: InlineKeyboardBuilder().button("b"), "exactly one of url and callback_data"),
        (
            lambda bot: bot.send_text("c", "t", inline_keyboard_markup=TWO_ACTIONS),
            "exactly one of url and callback_data",
        ),
        (lambda bot: bot.send_voice("c", file_id="I", inline_keyboard_markup=TWO_ACTIONS), "exactly one of url"),
        (lambda bot: bot.edit_text("c", 1, "t", inline_keyboard_markup=NO_ACTION), "exactly one of url"),
    ],
)
def test_call_that_can_be_known_to_be_wrong_is_not_sent(server, make, message):
    with pytest.raises(InvalidCall, match=message):
        make(Bot(TOKEN, server.url))
    assert server.requests == []


def test_empty_text_may_forward(server, face):
    server.answer = answer(msgId="1")
    make = lambda bot: bot.send_text("c", "", forward_chat_id="d", forward_msg_id=1)  # noqa: E731
    assert ask(Bot(TOKEN, server.url), make, face).msg_id == "1"


def test_file_that_does_not_exist(server, face, tmp_path):
    missing = tmp_path / "missing.pdf"
    error = fails(InvalidCall, server.url, face, lambda bot: bot.send_file("c", InputFile(missing)))
    assert "missing.pdf" in str(error)
    assert server.requests == []


# Servers that do not behave, below HTTP.


@contextmanager
def listening(serve):
    """A socket on loopback; `serve(connection, stop)` runs in a thread for each connection."""
    stop = threading.Event()
    threads = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                thread = threading.Thread(target=run, args=(connection,))
                threads.append(thread)
                thread.start()

        def run(connection):
            with connection, suppress(OSError):
                serve(connection, stop)

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/bot/v1"
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            for thread in [accepting, *threads]:
                thread.join()


def saying_nothing(connection, stop):
    stop.wait(30)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"


def dripping(prefix, drop):
    """Reads the request, says `prefix`, and then one drop after the other."""

    def serve(connection, stop):
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        connection.sendall(prefix)
        while not stop.wait(0.05):
            connection.sendall(drop)

    return serve


NEVER_ENDING = {
    "silent": saying_nothing,
    "dripping head": dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "dripping body": dripping(HEAD, b" "),
}
UPLOAD = InputFile(b"x" * 100_000, filename="f.bin")
METHODS = [lambda bot: bot.send_text("c", "t"), lambda bot: bot.send_file("c", UPLOAD)]


@pytest.mark.parametrize("make", METHODS, ids=["text", "upload"])
@pytest.mark.parametrize("serve", NEVER_ENDING.values(), ids=NEVER_ENDING)
def test_server_that_never_comes_to_an_end(face, serve, make):
    started = time.monotonic()
    with listening(serve) as url:
        error = fails(OutcomeUnknown, url, face, make, timeout=0.3)
        assert time.monotonic() - started < 10
    assert "look before you do it again" in str(error)


def test_server_that_speaks_another_language(face):
    def serve(connection, stop):
        connection.recv(1000)
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        stop.wait(30)

    with listening(serve) as url:
        assert "API_URL" in str(fails(OutcomeUnknown, url, face))


def test_proxy_that_says_nothing(face):
    with listening(saying_nothing) as url:
        proxy = url.removesuffix("/bot/v1")
        kind = NotSent if face == "async" else OutcomeUnknown
        fails(kind, "https://bots.company.invalid/bot/v1", face, proxy=proxy, timeout=0.3)


def test_proxy_that_refuses(server, face):
    server.answer = page(200)
    proxy = server.url.removesuffix("/bot/v1")
    error = fails(NotSent, "https://bots.company.invalid/bot/v1", face, proxy=proxy)
    assert "PROXY" in str(error)


def hanging_up(connection, stop):
    connection.recv(1000)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def test_connection_closed_in_the_middle_of_an_upload(face, tmp_path):
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(20_000_000))
    with listening(hanging_up) as url:
        error = fails(OutcomeUnknown, url, face, lambda bot: bot.send_file("c", InputFile(big)))
    assert "50 MB" in str(error)


def test_server_that_reads_no_upload(face, tmp_path):
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(20_000_000))
    with listening(saying_nothing) as url:
        fails(OutcomeUnknown, url, face, lambda bot: bot.send_file("c", InputFile(big)), timeout=0.3)
