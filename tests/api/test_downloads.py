"""Downloads over real sockets: where they go, what stops them, and who sees the token."""

import asyncio
import gzip
import io
import json
import logging
import os
import ssl
import threading
import time
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tests.api.fakes import TOKEN, FakeTransport, answer, bot_over, refusal
from tests.api.file_server import FileServer
from tests.emulator.serving import ALICE, served
from vkteams_bot.api import Bot, CallNeverSent, InputFile
from vkteams_bot.api.filenames import LONGEST_BYTES, name_in_header, numbered, safe_name
from vkteams_bot.api.requests import RequestFactory
from vkteams_bot.api.types import FileInfo, FilePayload, StickerPayload, VoicePayload
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.exceptions import DownloadFailed, FileTooLarge, InvalidCall, NotFound, RoutingError
from vkteams_bot.routing.replies import replies_of

CAPTURES = json.loads((Path(__file__).parent / "captures.json").read_text())
CONTENT = bytes(range(256)) * 1000


def bot_for(server, host="127.0.0.1", **options):
    return Bot(TOKEN, server.url("/bot/v1", host), **{"timeout": 5, **options})


def run(bot, face, *args, **options):
    """Download by `face`, "async" or "sync", and close the bot."""
    if face == "sync":
        try:
            return bot.download(*args, **options).send()
        finally:
            bot.close()

    async def main():
        async with bot:
            return await bot.download(*args, **options)

    return asyncio.run(main())


def info(server, path="/get/Z1", host="127.0.0.1", **facts):
    return FileInfo(**{"size": len(CONTENT), "filename": "report.pdf", "url": server.url(path, host), **facts})


@pytest.fixture
def server():
    with FileServer(lambda request: request.reply(CONTENT)) as server:
        yield server


def left_in(directory):
    return sorted(path.name for path in directory.iterdir())


# where from


@pytest.mark.parametrize(
    "file", ["Z1", FilePayload(file_id="Z1"), StickerPayload(file_id="Z1"), VoicePayload(file_id="Z1")]
)
def test_file_is_found_by_its_id(server, face, file):
    facts = {"type": "image", "size": len(CONTENT), "filename": "a.png", "url": server.url("/get/Z1")}

    def behave(request):
        if request.path == "/get/Z1":
            request.reply(CONTENT)
        else:
            request.reply(json.dumps({"ok": True, **facts}).encode())

    server.behave = behave
    assert run(bot_for(server), face, file) == CONTENT
    assert server.asked == ["/bot/v1/files/getInfo", "/get/Z1"]


def test_file_info_and_addresses_need_no_question(server, face):
    assert run(bot_for(server), face, info(server)) == CONTENT
    assert run(bot_for(server), face, server.url("/get/Z1")) == CONTENT
    assert server.asked == ["/get/Z1"] * 2


def test_unknown_file_is_a_refusal_of_the_api(face):
    with pytest.raises(NotFound):
        run(bot_over(FakeTransport(refusal("Invalid file"))), face, "Z1")


@pytest.mark.parametrize(("name", "part"), [("file_image", "files"), ("sticker", "sticker"), ("voice", "voice")])
def test_received_file_downloads_itself(server, face, name, part):
    raw = next(
        event for event in CAPTURES.values()
        if any(item["type"] == part.removesuffix("s") for item in event["payload"].get("parts", ()))
    )  # fmt: skip
    bot = bot_for(server)
    message = decode_event(raw, bot).payload
    file = getattr(message, part)
    file = file[0] if isinstance(file, tuple) else file
    facts = answer(size=len(CONTENT), filename="a", url=server.url("/get/Z1")).content
    server.behave = lambda request: request.reply(CONTENT if request.path == "/get/Z1" else facts)

    async def main():
        async with bot:
            return await file.download()

    assert (asyncio.run(main()) if face == "async" else file.download().send()) == CONTENT
    bot.close()


def test_file_of_no_bot_cannot_be_downloaded():
    with pytest.raises(InvalidCall, match="not received by a bot"):
        FilePayload(file_id="Z1").download()


@pytest.mark.parametrize("file", [None, 5, object()])
def test_what_is_no_file_is_an_invalid_call(file):
    with pytest.raises(InvalidCall, match=r"cannot download .*: give a file id"):
        bot_over(FakeTransport(answer())).download(file)


def test_dropped_download_warns():
    with pytest.warns(CallNeverSent, match="files/getInfo"):
        bot_over(FakeTransport(answer())).download("Z1")


def test_download_is_no_reply():
    download = bot_over(FakeTransport(answer())).download("https://example.ru/a")
    with pytest.raises(RoutingError, match="Download"):
        replies_of(download, bot=None, chat_id="c", handler="h")


def test_synchronous_download_is_refused_inside_a_loop(server, tmp_path):
    async def main():
        bot_for(server).download(server.url("/a"), tmp_path).send()

    with pytest.raises(RuntimeError, match="inside async code"):
        asyncio.run(main())
    assert (server.asked, left_in(tmp_path)) == ([], [])


# where to


def test_path_is_written_and_replaced(server, face, tmp_path):
    path = tmp_path / "mine.bin"
    for _ in range(2):
        assert run(bot_for(server), face, info(server), path) == path
        assert path.read_bytes() == CONTENT
        path.write_bytes(b"old")
    assert left_in(tmp_path) == ["mine.bin"]


def test_file_on_disk_has_the_usual_rights(server, tmp_path):
    before = os.umask(0o027)
    try:
        path = run(bot_for(server), "sync", info(server), tmp_path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_directory_keeps_what_it_has(server, face, tmp_path):
    (tmp_path / "report.pdf").write_bytes(b"old")
    paths = [run(bot_for(server), face, info(server), str(tmp_path)) for _ in range(2)]
    assert paths == [tmp_path / "report (1).pdf", tmp_path / "report (2).pdf"]
    assert [path.read_bytes() for path in paths] == [CONTENT] * 2
    assert (tmp_path / "report.pdf").read_bytes() == b"old"
    assert len(left_in(tmp_path)) == 3


def test_downloads_side_by_side_get_names_of_their_own(server, tmp_path):
    async def main():
        async with bot_for(server) as bot:
            return await asyncio.gather(*(bot.download(info(server), tmp_path) for _ in range(20)))

    paths = asyncio.run(main())
    assert len(set(paths)) == 20
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(left_in(tmp_path)) == 20


@pytest.mark.parametrize(
    ("filename", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..", "file"),
        ("C:\\temp\\a.exe", "a.exe"),
        (".bashrc", "bashrc"),
        ("a\0b\n.txt", "ab.txt"),
    ],
)
def test_name_of_a_stranger_stays_in_the_directory(server, face, tmp_path, filename, kept):
    inside = tmp_path / "inside"
    inside.mkdir()
    assert run(bot_for(server), face, info(server, filename=filename), inside) == inside / kept
    assert left_in(tmp_path) == ["inside"]


@pytest.mark.parametrize(
    ("headers", "path", "kept"),
    [
        ({"Content_Disposition": "attachment; filename*=UTF-8''" + quote("отчёт.pdf")}, "/get/1", "отчёт.pdf"),
        ({"Content_Disposition": 'inline; filename="a b.pdf"'}, "/get/1", "a b.pdf"),
        ({}, "/get/%D0%B0.txt?x=/b", "а.txt"),
        ({}, "/", "file"),
    ],
)
def test_address_alone_is_named_by_the_server(server, face, tmp_path, headers, path, kept):
    server.behave = lambda request: request.reply(CONTENT, **headers)
    assert run(bot_for(server), face, server.url(path), tmp_path) == tmp_path / kept


def test_open_file_takes_the_bytes_and_stays_open(server, face):
    file = io.BytesIO(b"before ")
    file.seek(0, os.SEEK_END)
    assert run(bot_for(server), face, info(server), file) is file
    assert file.getvalue() == b"before " + CONTENT


class Storage:
    """What a download needs of a Django storage: `save(name, content)`."""

    def __init__(self):
        self.saved = {}

    def save(self, name, content):
        self.thread = threading.current_thread()
        self.saved[name] = content.read()
        return f"2026/{name}"


def test_storage_saves_it_in_another_thread_than_the_loop(server, face):
    storage = Storage()
    assert run(bot_for(server), face, info(server, filename="../a.pdf"), storage) == "2026/a.pdf"
    assert storage.saved == {"a.pdf": CONTENT}
    assert (storage.thread is threading.main_thread()) == (face == "sync")


@pytest.mark.parametrize("destination", ["/nowhere/at/all/a.txt", "/nowhere/at/all/"])
def test_directory_that_is_not_there_is_named_before_anything_is_asked(server, face, destination):
    with pytest.raises(InvalidCall, match="cannot write into /nowhere/at/all: No such file"):
        run(bot_for(server), face, info(server), destination)
    assert server.asked == []


@pytest.mark.parametrize("destination", [5, io.StringIO()])
def test_what_takes_no_bytes_is_no_destination(server, face, destination):
    with pytest.raises(InvalidCall, match="cannot download to"):
        run(bot_for(server), face, info(server), destination)


# what stops it


def stalls(request):
    request.begin(len(CONTENT))
    request.wfile.write(CONTENT[:1000])
    request.stall()


def cuts(request):
    request.begin(len(CONTENT))
    request.wfile.write(CONTENT[:1000])


def cuts_gzip(request):
    packed = gzip.compress(CONTENT)[:-20]
    request.reply(packed, Content_Encoding="gzip")


def continues_gzip(request):
    request.reply(gzip.compress(b"x") + gzip.compress(CONTENT), Content_Encoding="gzip")


def breaks_gzip(request):
    request.reply(b"no gzip", Content_Encoding="gzip")


def unknown_coding(request):
    request.reply(CONTENT, Content_Encoding="br")


def circles(request):
    request.reply(status=302, Location=request.path)


def drips(request):
    request.begin(len(CONTENT))
    drip(request)


def drips_its_head(request):
    request.close_connection = True
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
    drip(request)


def drip(request):
    """A byte long before each timeout, until the client goes away."""
    for _ in range(500):
        request.wfile.write(b"a")
        request.wfile.flush()
        time.sleep(0.02)


FAILURES = [
    (stalls, "ReadTimeout"),
    (drips, "less than 1024 bytes per second"),
    (drips_its_head, "Timeout"),
    (lambda request: request.stall(), "ReadTimeout"),
    (cuts, "RemoteProtocolError"),
    (cuts_gzip, "cut off"),
    (breaks_gzip, "coding is broken"),
    (continues_gzip, "coding is broken: more follows"),
    (unknown_coding, "content coding"),
    (circles, "redirects"),
    (lambda request: request.reply(status=302, Location="ftp://example.ru/"), "another scheme"),
    (lambda request: request.reply(status=404), "HTTP 404: no such file"),
    (lambda request: request.reply(status=500), "HTTP 500"),
    (lambda request: request.reply(status=204), "HTTP 204"),
    (lambda request: request.reply(CONTENT, status=206), "HTTP 206"),
]


@pytest.mark.parametrize(("behave", "reason"), FAILURES)
def test_failure_is_named_and_leaves_nothing(server, face, tmp_path, behave, reason):
    server.behave = behave
    with pytest.raises(DownloadFailed, match=reason) as raised:
        run(bot_for(server, timeout=0.3), face, info(server), tmp_path)
    assert left_in(tmp_path) == []
    assert str(raised.value).startswith(("127.0.0.1: ", "the "))
    assert "Z1" not in str(raised.value)


class Unread(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer, which keeps its connection until it is closed."""

    closed = False

    def __iter__(self):
        raise AssertionError("nobody reads it")

    def __aiter__(self):
        raise AssertionError("nobody reads it")

    def close(self):
        self.closed = True

    async def aclose(self):
        self.closed = True


def test_answer_that_is_no_file_gives_its_connection_back(face):
    class Missing(httpx.AsyncBaseTransport, httpx.BaseTransport):
        def handle_request(self, request):
            bodies.append(Unread())
            return httpx.Response(404, stream=bodies[-1])

        async def handle_async_request(self, request):
            return self.handle_request(request)

    bodies: list[Unread] = []
    file = FileInfo(size=1, filename="a", url="https://files.example.ru/a")
    with pytest.raises(DownloadFailed, match="HTTP 404"):
        run(bot_over(Missing()), face, file)
    assert [body.closed for body in bodies] == [True, True]


def test_server_that_is_not_there_is_named(face, tmp_path):
    with FileServer(lambda request: None) as gone:
        pass
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1: ConnectError"):
        run(bot_for(gone), face, info(gone), tmp_path)
    assert left_in(tmp_path) == []


def test_failed_download_replaces_no_file(server, face, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    server.behave = cuts
    with pytest.raises(DownloadFailed):
        run(bot_for(server), face, info(server), path)
    assert (left_in(tmp_path), path.read_bytes()) == (["a.bin"], b"old")


def test_failed_download_writes_nothing_into_an_open_file_or_storage(server, face):
    server.behave = cuts
    for destination in (file := io.BytesIO(), storage := Storage()):
        with pytest.raises(DownloadFailed):
            run(bot_for(server), face, info(server), destination)
    assert (file.getvalue(), storage.saved) == (b"", {})


def test_cancelled_download_leaves_nothing(server, tmp_path):
    asked = threading.Event()

    def behave(request):
        asked.set()
        stalls(request)

    server.behave = behave

    async def main():
        async with bot_for(server) as bot:
            download = bot.download(info(server), tmp_path)
            task = asyncio.ensure_future(download)
            await asyncio.to_thread(asked.wait, 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert left_in(tmp_path) == []


def test_disk_that_is_full_is_named(server, face):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    bot = bot_for(server)

    def fetch():
        if face == "sync":
            return bot.fetch_sync(server.url("/a"), Full(), max_size=None, listed=False)
        return asyncio.run(bot.fetch(server.url("/a"), Full(), max_size=None, listed=False))

    with pytest.raises(DownloadFailed, match="cannot write the file: No space left"):
        fetch()
    bot.close()


def test_target_that_cannot_be_replaced_is_named_and_leaves_nothing(server, face, tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(DownloadFailed, match="cannot keep the file: Permission denied"):
        run(bot_for(server), face, info(server), tmp_path / "a")
    assert left_in(tmp_path) == []


def announced(request):
    request.begin(10**12)
    request.stall()


def chunked(request):
    request.close_connection = True
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    while True:  # until the client has enough of it
        request.wfile.write(b"400\r\n" + bytes(1024) + b"\r\n")


def bomb(request):
    request.reply(gzip.compress(bytes(10 * 1024 * 1024)), Content_Encoding="gzip")


@pytest.mark.parametrize("behave", [announced, chunked, bomb])
def test_more_than_max_size_is_refused_while_it_comes(server, face, tmp_path, behave):
    server.behave = behave
    with pytest.raises(FileTooLarge, match="max_size="):
        run(bot_for(server), face, server.url("/a"), tmp_path, max_size=100_000)
    assert left_in(tmp_path) == []


def test_size_that_the_api_told_is_refused_before_anything_is_asked(server, face):
    with pytest.raises(FileTooLarge, match="51 bytes"):
        run(bot_for(server), face, info(server, size=51), max_size=50)
    assert server.asked == []


def test_limit_is_50_mb_unless_told_otherwise(server, face):
    big = info(server, size=50 * 1024 * 1024 + 1)
    with pytest.raises(FileTooLarge):
        run(bot_for(server), face, big)
    assert run(bot_for(server), face, big, max_size=None) == CONTENT
    assert run(bot_for(server), face, info(server), max_size=len(CONTENT)) == CONTENT


def test_packed_answer_is_unpacked(server, face):
    server.behave = lambda request: request.reply(gzip.compress(CONTENT), Content_Encoding="gzip")
    assert run(bot_for(server), face, info(server)) == CONTENT


# the token


def wants_token(request):
    """As some installations: an escaped colon is an internal error."""
    query = request.path.partition("?")[2]
    if "%3A" in query:
        request.reply(status=500)
    elif f"token={TOKEN}" not in query.split("&"):
        request.reply(status=403)
    else:
        request.reply(CONTENT)


@pytest.mark.parametrize(
    ("path", "again"), [("/get/Z1", f"/get/Z1?token={TOKEN}"), ("/g?a=%20b", f"/g?a=%20b&token={TOKEN}")]
)
def test_refused_download_is_asked_again_with_the_token_unescaped(server, face, path, again):
    server.behave = wants_token
    assert run(bot_for(server), face, info(server, path)) == CONTENT
    assert server.asked == [path, again]


@pytest.mark.parametrize("needs_token", [False, True])
def test_emulator_gives_what_it_was_sent(face, needs_token):
    with served() as emulator:
        emulator.order("behaviour", {"files_need_token": needs_token})
        bot = Bot(emulator.token, f"{emulator.origin}/bot/v1")
        file_id = bot.send_file(ALICE, InputFile(CONTENT, filename="a.bin")).send().file_id
        assert run(bot, face, file_id) == CONTENT


def test_token_that_is_refused_too_is_the_end(server, face):
    server.behave = lambda request: request.reply(status=403)
    with pytest.raises(DownloadFailed, match="HTTP 403"):
        run(bot_for(server), face, info(server))
    assert len(server.asked) == 2


def test_stranger_does_not_get_the_token(server, face, caplog):
    server.behave = lambda request: request.reply(status=401)
    caplog.set_level(logging.DEBUG)
    for file in (server.url("/a", "localhost"), info(server, host="localhost")):
        with pytest.raises(DownloadFailed, match="the token goes only to hosts of the installation") as raised:
            run(bot_for(server), face, file)
        assert TOKEN not in str(raised.value)
    assert server.asked == ["/a", "/get/Z1"]
    assert TOKEN not in caplog.text


def test_redirect_to_a_stranger_is_followed_without_the_token(server, face):
    def behave(request):
        if request.path == "/get/Z1":
            request.reply(status=302, Location=server.url("/elsewhere", "localhost"))
        else:
            request.reply(status=403)

    server.behave = behave
    with pytest.raises(DownloadFailed, match="localhost: HTTP 403"):
        run(bot_for(server), face, info(server))
    assert server.asked == ["/get/Z1", "/elsewhere"]


@pytest.mark.parametrize("escape", [str, quote])
def test_redirect_that_would_carry_the_token_away_is_not_followed(server, face, escape):
    def behave(request):
        if "token=" in request.path:
            request.reply(status=302, Location=server.url(f"/elsewhere?token={escape(TOKEN)}", "localhost"))
        else:
            request.reply(status=403)

    server.behave = behave
    with pytest.raises(DownloadFailed, match="would give the token to localhost") as raised:
        run(bot_for(server), face, info(server))
    assert TOKEN not in str(raised.value)
    assert server.asked == ["/get/Z1", f"/get/Z1?token={TOKEN}"]


def test_redirect_at_home_is_followed_with_the_token(server, face):
    def behave(request):
        if "token=" not in request.path:
            request.reply(status=403)
        elif request.path.startswith("/get/Z1"):
            request.reply(status=302, Location="/moved?token=" + TOKEN)
        else:
            request.reply(CONTENT)

    server.behave = behave
    assert run(bot_for(server), face, info(server)) == CONTENT


def test_redirect_away_from_https_is_not_followed(face):
    authority = trustme.CA()
    context = _server_context(authority)
    with FileServer(lambda request: request.reply(status=302, Location="http://127.0.0.1:9/"), context) as secure:
        trusting = _client_context(authority)
        with pytest.raises(DownloadFailed, match="another scheme"):
            run(bot_for(secure, verify=trusting), face, info(secure))


def test_certificate_that_is_not_trusted_is_named_with_the_remedy(face):
    secure = FileServer(lambda request: request.reply(CONTENT), _server_context(trustme.CA()))
    with secure, pytest.raises(DownloadFailed, match="set VERIFY"):
        run(bot_for(secure), face, info(secure))
    assert secure.asked == []


def _server_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _client_context(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


API = "https://api.internal.myteam.mail.ru/bot/v1"


@pytest.mark.parametrize(
    ("api_url", "url", "listed", "given"),
    [
        (API, "https://api.internal.myteam.mail.ru/get/1", False, True),
        (API, "https://files.api.internal.myteam.mail.ru/get/1", False, True),
        (API, "https://files-n.internal.myteam.mail.ru/get/1", True, True),
        (API, "https://files-n.internal.myteam.mail.ru/get/1", False, False),
        (API, "http://api.internal.myteam.mail.ru/get/1", True, False),
        (API, "https://myteam.mail.ru/get/1", True, False),
        (API, "https://evilinternal.myteam.mail.ru/get/1", True, False),
        (API, "https://api.internal.myteam.mail.ru.evil.ru/get/1", True, False),
        (API, "https://api.internal.myteam.mail.ru@evil.ru/get/1", True, False),
        ("https://company.ru/bot/v1", "https://files.company.ru/1", True, True),
        ("https://company.ru/bot/v1", "https://evil.ru/1", True, False),
        ("https://10.0.0.1/bot/v1", "https://9.0.0.1/1", True, False),
        ("https://10.0.0.1/bot/v1", "https://10.0.0.1:8443/1", True, True),
        ("http://localhost:8081/bot/v1", "http://localhost:8081/files/get/1", True, True),
        ("http://localhost:8081/bot/v1", "https://localhost/files/get/1", True, True),
    ],
)
def test_which_addresses_may_see_the_token(api_url, url, listed, given):
    factory = RequestFactory(token=TOKEN, api_url=api_url, timeout=1)
    assert factory.token_for(httpx.URL(url), listed=listed) == (TOKEN if given else None)


# names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("отчёт за май.pdf", "отчёт за май.pdf"),
        ("a/b\\c.txt", "c.txt"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("CON", "_CON"),
        ("lpt1.txt", "_lpt1.txt"),
        ("a:b?.txt", "a_b_.txt"),
        ("...", "file"),
        ("a. . ", "a"),
        ("/", "file"),
        ("\ud83d.txt", "txt"),
        ("я" * 200 + ".pdf", "я" * 98 + ".pdf"),
        ("x" * 300, "x" * 200),
    ],
)
def test_safe_names(name, safe):
    assert safe_name(name) == safe


@given(st.text())
def test_no_name_leaves_its_directory(name):
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= LONGEST_BYTES
    assert Path("/d", safe).parent == Path("/d")
    assert safe.isprintable()
    assert safe not in (".", "..")
    assert not safe.startswith(".")
    assert safe_name(safe) == safe
    assert len(numbered(safe, 10**9).encode()) <= 255


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment", None),
        ('attachment; filename="a\\"b.txt"', 'a"b.txt'),
        ("attachment; filename=a.txt; size=5", "a.txt"),
        ("attachment; filename=\"fallback.txt\"; filename*=UTF-8''%D1%8F.txt", "я.txt"),
        ("attachment; filename*=klingon''%41.txt; filename=b.txt", "b.txt"),
    ],
)
def test_name_in_a_header(header, name):
    assert name_in_header(header) == name
