"""What can be uploaded, and what becomes of it while it is."""

import asyncio
import base64
import email
import email.policy
import io
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, TemporaryUploadedFile

from tests.api.fakes import MSG_ID, TOKEN, FakeTransport, answer, bot_over, send
from tests.api.file_server import FileServer
from vkteams_bot.api import Bot, InputFile
from vkteams_bot.api.methods import SendFile, SendVoice, SetChatAvatar
from vkteams_bot.exceptions import DownloadFailed, FileTooLarge, InvalidCall

CONTENT = bytes(range(256)) * 1000
SENT = answer(msgId=MSG_ID)


def uploaded(transport):
    """Name and content of the file in each request."""
    found = []
    for request, body in zip(transport.requests, transport.bodies, strict=True):
        head = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
        parts = email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts()
        found += [(part.get_filename(), part.get_payload(decode=True)) for part in parts if part.get_filename()]
    return found


def temporary_upload():
    file = TemporaryUploadedFile("big.bin", "application/octet-stream", len(CONTENT), None)
    file.write(CONTENT)
    file.flush()
    return file


DJANGO_FILES = {
    "content file": lambda: ContentFile(CONTENT, name="a.bin"),
    "simple upload": lambda: SimpleUploadedFile("a.bin", CONTENT),
    "upload in memory": lambda: InMemoryUploadedFile(io.BytesIO(CONTENT), "f", "a.bin", None, len(CONTENT), None),
    "file": lambda: File(io.BytesIO(CONTENT), name="dir/a.bin"),
}


@pytest.mark.parametrize("kind", DJANGO_FILES)
@pytest.mark.parametrize("method", [SendFile, SendVoice, SetChatAvatar])
def test_django_file_is_taken_wherever_a_file_is(kind, method, face):
    transport = FakeTransport(SENT)
    send(bot_over(transport), method("c", DJANGO_FILES[kind]()), face)
    assert uploaded(transport) == [("a.bin", CONTENT)]


def test_text_of_django_is_sent_as_utf8(face):
    transport = FakeTransport(SENT)
    send(bot_over(transport), SendFile("c", ContentFile("имя;2\n", name="a.csv")), face)
    assert uploaded(transport) == [("a.csv", "имя;2\n".encode())]


def test_large_upload_of_a_browser_is_read_from_its_temporary_file(face):
    transport = FakeTransport(SENT)
    with temporary_upload() as file:
        upload = InputFile(file)
        assert upload.path == Path(file.temporary_file_path())
        send(bot_over(transport), SendFile("c", upload), face)
    assert uploaded(transport) == [("big.bin", CONTENT)]


def test_paths_and_open_files_need_no_input_file(face, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    transport = FakeTransport(SENT)
    bot = bot_over(transport)
    with path.open("rb") as file:
        send(bot, SendFile("c", path), face)
        send(bot, SendFile("c", file), face)
        assert not file.closed
    assert uploaded(transport) == [("a.bin", CONTENT)] * 2


@pytest.mark.parametrize("value", ["/etc/passwd", b"x", 5, object()])
def test_text_and_bytes_are_no_files(value):
    with pytest.raises(InvalidCall, match="file: Input should be an instance of InputFile, a Path"):
        bot_over(FakeTransport(SENT)).send_file("c", value)


def test_open_file_is_sent_from_its_start_and_by_each_attempt_anew(face, clock):
    buffer = io.BytesIO()
    buffer.write(CONTENT)  # as a workbook is saved; nobody has gone back to the start
    transport = FakeTransport(httpx.ConnectError("no"), SENT)
    bot = bot_over(transport, clock=clock)
    send(bot, SendFile("c", InputFile(buffer, filename="a.bin")), face)
    assert uploaded(transport) == [("a.bin", CONTENT)] * 2


def test_open_file_may_be_shared_by_calls_side_by_side(tmp_path):
    with FileServer(lambda request: request.reply(SENT.content)) as server:
        file = InputFile(io.BytesIO(CONTENT * 4), filename="a.bin")

        async def main():
            async with Bot(TOKEN, server.url("/bot/v1")) as bot:
                await asyncio.gather(*(bot.send_file("c", file) for _ in range(3)))

        asyncio.run(main())
    assert [body.count(CONTENT * 4) for body in server.bodies] == [1, 1, 1]


class Stream(io.RawIOBase):
    """Can be read once, as a pipe or the body of an answer."""

    name = "stream.bin"

    def readable(self):
        return True


def closed():
    file = io.BytesIO(b"x")
    file.close()
    return file


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (Stream(), "only once"),
        (io.StringIO("x"), "mode 'rb'"),
        (closed(), "closed"),
        (5, "cannot upload int: give a path"),
        (bytearray(b"x"), "cannot upload bytearray"),
        (io.BytesIO(b"x"), "needs filename="),
        (b"x", "needs filename="),
        (ContentFile(b"x"), "needs filename="),
    ],
)
def test_what_cannot_be_uploaded_says_what_to_do(source, reason):
    with pytest.raises(InvalidCall, match=reason):
        InputFile(source)


def test_django_file_over_text_is_refused_and_nothing_is_sent(face, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    transport = FakeTransport(SENT)
    with path.open() as file, pytest.raises(InvalidCall, match="mode 'rb'"):
        send(bot_over(transport), SendFile("c", File(file)), face)
    assert transport.bodies == []


def test_base64():
    text = base64.encodebytes(CONTENT).decode()
    for form in (text, text.encode(), "data:image/png;base64," + text):
        file = InputFile.from_base64(form, filename="a.png")
        assert (file.content, file.filename) == (CONTENT, "a.png")
    for wrong in ("не то", "abc", b"\xff"):
        with pytest.raises(InvalidCall, match=r"a\.png: not base64"):
            InputFile.from_base64(wrong, filename="a.png")


# files that change, and servers that go away


@pytest.fixture
def server():
    with FileServer(lambda request: request.reply(SENT.content)) as server:
        yield server


def upload(server, file, face, **options):
    bot = Bot(TOKEN, server.url("/bot/v1"), **{"timeout": 5, "retries": 0, **options})
    if face == "sync":
        try:
            return bot.send_file("c", file).send()
        finally:
            bot.close()

    async def main():
        async with bot:
            return await bot.send_file("c", file)

    return asyncio.run(main())


class Changing(io.BytesIO):
    """Has another length after its first piece was read."""

    name = "a.bin"

    def __init__(self, change):
        super().__init__(CONTENT * 10)
        self.change = change

    def read(self, size=-1):
        data = super().read(size)
        self.change(self)
        return data


def test_file_that_shrinks_while_it_is_sent_is_named_and_never_taken_for_sent(server, face):
    with pytest.raises(InvalidCall, match="became shorter while it was uploaded"):
        upload(server, Changing(lambda file: file.truncate(1000)), face)
    assert server.asked == []


def test_file_that_grows_is_sent_as_it_was(server, face):
    def grow(file):
        file.seek(0, os.SEEK_END)
        file.write(b"more")

    upload(server, Changing(grow), face)
    assert server.bodies[0].count(CONTENT * 10 + b"\r\n--") == 1


def test_file_that_is_closed_while_it_is_sent_is_named(server, face):
    with pytest.raises(InvalidCall, match="cannot read Changing: I/O operation on closed"):
        upload(server, Changing(lambda file: file.close()), face)
    assert server.asked == []


def test_connection_of_a_broken_upload_is_not_used_again(server, face):
    bot = Bot(TOKEN, server.url("/bot/v1"))
    broken = bot.send_file("c", Changing(lambda file: file.truncate(1000)))
    whole = bot.send_file("c", InputFile(CONTENT, filename="a"))

    async def main():
        async with bot:
            with pytest.raises(InvalidCall):
                await broken
            await whole

    if face == "async":
        asyncio.run(main())
    else:
        with pytest.raises(InvalidCall):
            broken.send()
        whole.send()
        bot.close()
    assert (len(server.asked), server.connections) == (1, 2)


def test_file_that_was_closed_before_its_call_is_sent_is_named(face):
    transport = FakeTransport(SENT)
    with io.BytesIO(CONTENT) as buffer:
        method = SendFile("c", InputFile(buffer, filename="a"))
    with pytest.raises(InvalidCall, match="closed: give its path, or await the call"):
        send(bot_over(transport), method, face)
    assert transport.requests == []


# from the web


def test_file_of_the_web_is_fetched_and_uploaded_under_its_name(server, face):
    server.behave = lambda request: request.reply(SENT.content if request.command == "POST" else CONTENT)
    upload(server, InputFile.from_url(server.url("/a/%D0%B0.png?x=1")), face)
    assert server.asked == ["/a/%D0%B0.png?x=1", "/bot/v1/messages/sendFile"]
    assert b'filename="\xd0\xb0.png"' in server.bodies[0]
    assert CONTENT in server.bodies[0]


def test_name_of_a_web_file_is_the_given_or_else_that_of_the_server(server, face):
    def behave(request):
        if request.command == "POST":
            request.reply(SENT.content)
        else:
            request.reply(CONTENT, Content_Disposition='attachment; filename="../server.png"')

    server.behave = behave
    upload(server, InputFile.from_url(server.url("/a.png")), face)
    upload(server, InputFile.from_url(server.url("/a.png"), filename="mine.png"), face)
    assert [b'filename="server.png"' in body for body in server.bodies] == [True, False]
    assert b'filename="mine.png"' in server.bodies[1]


@pytest.mark.parametrize(
    ("behave", "options", "error"),
    [
        (lambda request: request.reply(CONTENT), {"max_size": 1000}, FileTooLarge),
        (lambda request: request.reply(status=404), {}, DownloadFailed),
        (lambda request: request.reply(status=401), {}, DownloadFailed),
        (lambda request: request.begin(5), {}, DownloadFailed),
    ],
)
def test_failed_fetch_is_named_and_nothing_is_uploaded(server, face, behave, options, error):
    server.behave = behave
    with pytest.raises(error):
        upload(server, InputFile.from_url(server.url("/a.png"), **options), face)
    assert server.asked == ["/a.png"]


def test_proxy_of_the_bot_is_for_the_bot_alone(server, face):
    """The proxy is a server that counts; the address of the file is reached without it."""
    with FileServer(lambda request: request.reply(SENT.content)) as proxy:
        upload(server, InputFile.from_url(server.url("/a.png")), face, proxy=proxy.url(""))
        assert proxy.asked == [server.url("/bot/v1/messages/sendFile")]
        upload(server, InputFile.from_url(server.url("/b.png"), proxy=proxy.url("")), face)
        assert proxy.asked[1] == server.url("/b.png")
    assert server.asked == ["/a.png", "/bot/v1/messages/sendFile"]


@pytest.mark.parametrize("proxy", ["socks5://secret@p", "p:3128", "http://", "http://p:99999"])
def test_proxy_that_is_none_is_named_and_nothing_is_asked(server, face, proxy):
    with pytest.raises(InvalidCall, match="proxy must look like") as raised:
        upload(server, InputFile.from_url(server.url("/a.png"), proxy=proxy), face)
    assert "secret" not in str(raised.value)
    assert server.asked == []


@pytest.mark.parametrize("url", ["https://[", "http://"])
def test_address_that_cannot_be_read_is_named(server, face, url):
    with pytest.raises(InvalidCall, match="http://"):
        upload(server, InputFile.from_url(url), face)
    assert server.asked == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.ru/a", "example.ru/a", ""])
def test_only_web_addresses_are_fetched(url):
    with pytest.raises(InvalidCall, match="http://"):
        InputFile.from_url(url)


def test_far_file_has_no_reader_of_its_own():
    file = InputFile.from_url("https://example.ru/dir/a.png?secret=1")
    assert repr(file) == "InputFile(example.ru, filename='a.png')"
    with pytest.raises(InvalidCall, match="fetched first"):
        file.open()


# memory

UPLOAD = """
import asyncio, sys
from pathlib import Path
from vkteams_bot.api import Bot

face, url, path = sys.argv[1:]

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024

def transfer(size):
    bot = Bot("t", url, timeout=60)
    {prepare}
    if face == "sync":
        {call}.send()
        bot.close()
    else:
        async def main():
            async with bot:
                await {call}
        asyncio.run(main())

transfer(1)
before = peak()
transfer({megabytes})
print(peak() - before)
"""
PREPARE_UPLOAD = "open(path, 'wb').truncate(size * 1024 * 1024)"
DIRECTIONS = {
    "upload": (PREPARE_UPLOAD, "bot.send_file('c', Path(path))", 1024),
    "download": ("address = url + f'/{size}'", "bot.download(address, path, max_size=None)", 512),
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_memory_stays_flat(server, face, direction, tmp_path):
    prepare, call, megabytes = DIRECTIONS[direction]

    def behave(request):
        if request.command == "POST":
            request.reply(SENT.content)
            return
        size = int(request.path.rpartition("/")[2])
        request.begin(size * 1024 * 1024)
        for _ in range(size):
            request.wfile.write(bytes(1024 * 1024))

    server.behave = behave
    server.keep_bodies = False
    code = UPLOAD.replace("{prepare}", prepare).replace("{call}", call).replace("{megabytes}", str(megabytes))
    path = tmp_path / "file.bin"
    done = subprocess.run(
        [sys.executable, "-c", code, face, server.url("/bot/v1"), path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert path.stat().st_size == megabytes * 1024 * 1024
    if direction == "upload":
        assert server.body_bytes > megabytes * 1024 * 1024
    path.unlink()
    assert int(done.stdout) < 50
