"""AsyncioTransport against real servers on loopback that answer from a script."""

import asyncio
import base64
import contextlib
import socket
import ssl
import struct
import threading
import time

import httpx
import pytest
import trustme

from vkteams_bot.api.http.connection import Connection
from vkteams_bot.api.http.transport import AsyncioTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ALL_TIMEOUTS = {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Runs a coroutine function in each kind of event loop, within 20 seconds."""
    new_loop = asyncio.new_event_loop
    if request.param == "uvloop":
        new_loop = pytest.importorskip("uvloop").new_event_loop

    def run(main, *args):
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(asyncio.wait_for(main(*args), 20))

    return run


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def client_context(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


class Server:
    """Calls `script(reader, writer, number)` for each connection, numbered from 1."""

    def __init__(self, script, ssl_context=None):
        self.script = script
        self.ssl_context = ssl_context
        self.accepted = 0
        self.open = 0
        self.most_open = 0
        self.heads = []
        self.tasks = set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.ssl_context, limit=2**20)
        self.port = self.server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if self.ssl_context else ''}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *exc_info):
        self.server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.wait_closed()

    async def _serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        self.accepted += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            with contextlib.suppress(
                ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError
            ):
                await self.script(reader, writer, self.accepted)
        finally:
            self.open -= 1
            self.tasks.discard(asyncio.current_task())
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def request(self, reader):
        """Read one request; return its head and its body."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        lines = head.lower().split(b"\r\n")
        body = b""
        for line in lines:
            if line.startswith(b"content-length:"):
                body = await reader.readexactly(int(line[15:]))
        if b"transfer-encoding: chunked" in lines:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        return head, body


def answering(*answers, close=False):
    """A server that gives these answers in turn, the last one for ever; None is silence."""

    async def script(reader, writer, number):
        left = list(answers)
        while True:
            await server.request(reader)
            answer = left.pop(0) if len(left) > 1 else left[0]
            if answer is None:
                await asyncio.sleep(60)
            writer.write(answer)
            await writer.drain()
            if close:
                return

    server = Server(script)
    return server


def get(url, *, method="GET", timeouts=None, **kwargs):
    return httpx.Request(method, url, extensions={"timeout": {**ALL_TIMEOUTS, **(timeouts or {})}}, **kwargs)


async def fetch(transport, request):
    response = await transport.handle_async_request(request)
    await response.aread()
    await response.aclose()
    return response


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the conditions are plain attributes of the servers
            await asyncio.sleep(0.001)


def reset(writer):
    """Make the close of this connection a RST."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


# Requests and answers


def test_request_is_sent_as_given_in_one_segment(run):
    async def main():
        segments = []

        class Raw(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport

            def data_received(self, data):
                segments.append(data)
                self.transport.write(OK)

        server = await asyncio.get_running_loop().create_server(Raw, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with AsyncioTransport() as transport:
            request = get(
                f"http://127.0.0.1:{port}/a?b=c", method="POST", content=b"x=1", headers=[(b"Host", b"h"), (b"A", b"b")]
            )
            response = await fetch(transport, request)
        server.close()
        assert segments == [b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 3\r\n\r\nx=1"]
        assert (response.status_code, response.content, response.reason_phrase) == (200, b"ok", "OK")
        assert response.http_version == "HTTP/1.1"

    run(main)


@pytest.mark.parametrize(
    ("answer", "content", "reused"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: v\r\n\r\n",
            b"hello",
            True,
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b"ok", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
        (OK + OK, b"ok", False),
        (OK + b"garbage", b"ok", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n" * 2, b"", False),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1, 10_000])
def test_answer_forms(run, answer, content, reused, piece_bytes):
    async def script(reader, writer, number):
        while True:
            await server.request(reader)
            for start in range(0, len(answer), piece_bytes):
                writer.write(answer[start : start + piece_bytes])
                await asyncio.sleep(0)

    async def main():
        async with server, AsyncioTransport() as transport:
            for _ in range(2):
                response = await fetch(transport, get(server.url))
                assert response.content == content
                assert response.status_code in (200, 204, 304)
                assert "link" not in response.headers
                assert "t" not in response.headers
                await asyncio.sleep(0.01)  # Bytes too many arrive while the connection is idle.
            assert server.accepted == (1 if reused else 2)

    server = Server(script)
    run(main)


@pytest.mark.parametrize("coding", [b"", b"Transfer-Encoding: gzip\r\n"])
def test_body_without_length_ends_with_the_connection(run, coding):
    async def main():
        async with answering(b"HTTP/1.1 200 OK\r\n%b\r\nhello" % coding, close=True) as server:
            async with AsyncioTransport() as transport:
                for _ in range(2):
                    response = await transport.handle_async_request(get(server.url))
                    assert b"".join([part async for part in response.aiter_raw()]) == b"hello"
            assert server.accepted == 2

    run(main)


def test_head_has_no_body_and_keeps_the_connection(run):
    async def main():
        async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", OK) as server:
            async with AsyncioTransport() as transport:
                head = await fetch(transport, get(server.url, method="HEAD"))
                assert (head.content, head.headers["content-length"]) == (b"", "100")
                assert (await fetch(transport, get(server.url))).content == b"ok"
            assert server.accepted == 1

    run(main)


def test_request_that_asks_to_close_is_the_last_of_its_connection(run):
    async def main():
        async with answering(OK) as server, AsyncioTransport() as transport:
            for _ in range(2):
                await fetch(transport, get(server.url, headers={"Connection": "close"}))
            assert server.accepted == 2

    run(main)


def test_small_answer_gives_the_connection_back_before_it_is_read(run):
    async def main():
        async with answering(OK) as server, AsyncioTransport(max_connections=1) as transport:
            first = await transport.handle_async_request(get(server.url))
            second = await transport.handle_async_request(get(server.url, timeouts={"pool": 0.5}))
            assert [await first.aread(), await second.aread()] == [b"ok", b"ok"]
            assert server.accepted == 1

    run(main)


def test_nagle_is_off(run, monkeypatch):
    transports = []
    begin = Connection.begin

    def spy(self, **kwargs):
        transports.append(self.transport)
        begin(self, **kwargs)

    monkeypatch.setattr(Connection, "begin", spy)

    async def main():
        async with answering(OK) as server, AsyncioTransport() as transport:
            await fetch(transport, get(server.url))
            (used,) = transports
            assert used.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    run(main)


def test_under_the_httpx_client(run):
    async def script(reader, writer, number):
        while True:
            _, body = await server.request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async def main():
        async with server, httpx.AsyncClient(transport=AsyncioTransport()) as client:
            assert (await client.post(server.url, data={"a": "b"})).content == b"a=b"
            big = b"x" * 1_000_000
            uploaded = await client.post(server.url, files={"file": ("name", big)})
            assert big in uploaded.content
            async with client.stream("POST", server.url, content=big) as response:
                assert b"".join([part async for part in response.aiter_bytes()]) == big
            assert server.accepted == 1

    server = Server(script)
    run(main)


@pytest.mark.parametrize("length", [None, 300_000])
def test_stream_is_uploaded(run, length):
    async def parts():
        for _ in range(3):
            yield b""
            yield b"y" * 100_000

    received = []

    async def script(reader, writer, number):
        while True:
            received.append((await server.request(reader))[1])
            writer.write(OK)

    async def main():
        headers = {} if length is None else {"Content-Length": str(length)}
        async with server, AsyncioTransport() as transport:
            for _ in range(2):
                await fetch(transport, get(server.url, method="POST", content=parts(), headers=headers))
            assert received == [b"y" * 300_000] * 2
            assert server.accepted == 1
            assert (b"chunked" in server.heads[0]) is (length is None)

    server = Server(script)
    run(main)


@pytest.mark.parametrize(
    "wrong",
    [
        {"headers": [(b"Host", b"h"), (b"A", b"b\r\nC: d")]},
        {"headers": [(b"Host", b"h"), (b"A", b"b\nC")]},
        {"headers": [(b"Host", b"h"), (b"A", b"b\rC")]},
        {"headers": [(b"Host", b"h"), (b"A", b"b\0C")]},
        {"content": b"abc", "headers": {"Content-Length": "2"}},
        {"content": b"abc", "headers": {"Content-Length": "many"}},
        {"content": b"abc", "headers": {"Content-Length": "3", "Transfer-Encoding": "chunked"}},
    ],
)
def test_malformed_request_is_not_sent(run, wrong):
    async def main():
        async with answering(OK) as server, AsyncioTransport() as transport:
            with pytest.raises(httpx.LocalProtocolError) as caught:
                await fetch(transport, get(server.url, method="POST", **wrong))
            assert caught.value.request.url == server.url
            assert server.accepted == 0

    run(main)


@pytest.mark.parametrize("length", [5, 500_000])
def test_stream_of_another_length_than_declared(run, length):
    async def parts():
        yield b"y" * 100_000

    async def main():
        async with answering(OK) as server, AsyncioTransport(max_connections=1) as transport:
            headers = {"Content-Length": str(length)}
            with pytest.raises(httpx.LocalProtocolError, match=str(length)):
                await fetch(transport, get(server.url, method="POST", content=parts(), headers=headers))
            assert (await fetch(transport, get(server.url))).content == b"ok"

    run(main)


# The pool


def numbering(gates=None):
    """A server that answers with the connection's number, when the gate named by the path is open."""

    async def script(reader, writer, number):
        while True:
            head, _ = await server.request(reader)
            path = head.split()[1].decode()
            if gates and path in gates:
                await gates[path].wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    server = Server(script)
    return server


def test_connection_is_reused(run):
    async def main():
        async with numbering() as server, AsyncioTransport() as transport:
            answers = [(await fetch(transport, get(server.url))).content for _ in range(5)]
            assert answers == [b"1"] * 5

    run(main)


def test_idle_connections_are_reused_last_in_first_out(run):
    async def main():
        gates = {f"/{n}": asyncio.Event() for n in (1, 2, 3)}
        async with numbering(gates) as server, AsyncioTransport() as transport:
            used = {}
            tasks = {}
            for path in gates:
                tasks[path] = asyncio.create_task(fetch(transport, get(server.url + path)))
                await until(lambda path=path: any(path.encode() in head for head in server.heads))
            for path in ("/2", "/3", "/1"):
                gates[path].set()
                used[path] = (await tasks[path]).content
            pair = await asyncio.gather(*[fetch(transport, get(server.url)) for _ in range(2)])
            assert [response.content for response in pair] == [used["/1"], used["/3"]]
            assert len(set(used.values())) == 3

    run(main)


def test_idle_connection_is_closed_when_its_time_is_over(run):
    async def main():
        gates = {"/wait": asyncio.Event()}
        async with numbering(gates) as server, AsyncioTransport(idle_seconds=0.05) as transport:
            late = asyncio.create_task(fetch(transport, get(server.url + "/wait")))
            await until(lambda: server.heads)
            await fetch(transport, get(server.url))
            await asyncio.sleep(0.03)
            gates["/wait"].set()
            await late
            assert server.open == 2
            await until(lambda: server.open == 0)
            assert (await fetch(transport, get(server.url))).content == b"3"

    run(main)


def test_expired_connection_is_not_used_even_if_the_sweep_is_late(run):
    async def main():
        async with numbering() as server, AsyncioTransport(idle_seconds=0.05) as transport:
            await fetch(transport, get(server.url))
            time.sleep(0.06)  # noqa: ASYNC251 - the loop has no chance to run its timer
            assert (await fetch(transport, get(server.url))).content == b"2"

    run(main)


def test_no_more_idle_connections_than_allowed(run):
    async def main():
        gates = {"/wait": asyncio.Event()}
        async with numbering(gates) as server, AsyncioTransport(max_idle_connections=2) as transport:
            tasks = [asyncio.create_task(fetch(transport, get(server.url + "/wait"))) for _ in range(5)]
            await until(lambda: len(server.heads) == 5)
            gates["/wait"].set()
            await asyncio.gather(*tasks)
            await until(lambda: server.open == 2)

    run(main)


def test_waiters_are_served_in_order_over_the_allowed_connections(run):
    async def main():
        async with answering(OK) as server, AsyncioTransport(max_connections=1) as transport:
            await asyncio.gather(*[fetch(transport, get(f"{server.url}/{n}")) for n in range(10)])
            assert [head.split()[1] for head in server.heads] == [b"/%d" % n for n in range(10)]
            assert server.accepted == 1

    run(main)


def test_hundreds_in_flight_stay_within_max_connections(run):
    async def main():
        async with answering(OK) as server, AsyncioTransport(max_connections=7) as transport:
            responses = await asyncio.gather(*[fetch(transport, get(server.url)) for _ in range(300)])
            assert {response.content for response in responses} == {b"ok"}
            assert server.most_open == server.accepted == 7

    run(main)


def test_slot_moves_between_origins(run):
    async def main():
        async with answering(OK) as one, answering(OK) as two, AsyncioTransport(max_connections=1) as transport:
            urls = [one.url, two.url] * 5
            await asyncio.gather(*[fetch(transport, get(url)) for url in urls])
            for url in urls:  # Now each request finds the other origin's connection idle in the only slot.
                await fetch(transport, get(url))
            assert one.most_open == two.most_open == 1
            assert one.accepted > 5
            assert two.accepted > 5

    run(main)


@pytest.mark.parametrize("how", ["seen by the loop", "still in the kernel"])
def test_connection_closed_by_the_server_while_idle_is_not_used(run, how):
    """The server runs in a thread, so that its goodbye can come while the client's loop is busy."""
    listener = socket.create_server(("127.0.0.1", 0))
    said_goodbye = threading.Semaphore(0)
    rounds = 10

    def serve():
        for _ in range(rounds):
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(OK)
            said_goodbye.release()

    async def main():
        async with AsyncioTransport(max_connections=1) as transport:
            for _ in range(rounds):
                url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                assert (await fetch(transport, get(url, method="POST", content=b"x"))).content == b"ok"
                assert said_goodbye.acquire(timeout=5)
                if how == "seen by the loop":
                    await asyncio.sleep(0.005)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        run(main)
        thread.join()


def test_connection_closed_while_it_is_handed_over_is_not_used(run):
    """The answer and the server's goodbye arrive together, and the next request already waits for the connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    said_goodbye = threading.Semaphore(0)

    def serve():
        for _ in range(2):
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(OK)
            said_goodbye.release()

    async def main():
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with AsyncioTransport(max_connections=1) as transport:
            tasks = [asyncio.create_task(fetch(transport, get(url))) for _ in range(2)]
            async with asyncio.timeout(5):
                while not said_goodbye.acquire(blocking=False):
                    await asyncio.sleep(0)
                    time.sleep(0.02)  # noqa: ASYNC251 - the loop is busy while the server answers and closes
            assert [(await task).content for task in tasks] == [b"ok", b"ok"]

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        run(main)
        thread.join()


def test_answer_nobody_asked_for_is_not_taken_for_the_next_one(run):
    async def script(reader, writer, number):
        await server.request(reader)
        writer.write(OK)
        await asyncio.sleep(0.01)
        writer.write(OK.replace(b"ok", b"no"))
        await server.request(reader)
        writer.write(OK)

    async def main():
        async with server, AsyncioTransport() as transport:
            await fetch(transport, get(server.url))
            await until(lambda: server.open == 0)
            assert (await fetch(transport, get(server.url))).content == b"ok"
            assert server.accepted == 2

    server = Server(script)
    run(main)


def test_close_ends_requests_under_way_and_waiting(run):
    async def main():
        async with answering(None) as server:
            transport = AsyncioTransport(max_connections=1)
            busy = asyncio.create_task(fetch(transport, get(server.url)))
            await until(lambda: server.heads)
            waiting = asyncio.create_task(fetch(transport, get(server.url)))
            await asyncio.sleep(0)
            await transport.aclose()
            with pytest.raises(httpx.ReadError, match="closed"):
                await busy
            for request in (waiting, fetch(transport, get(server.url))):
                with pytest.raises(httpx.ConnectError, match="closed"):
                    await request

    run(main)


def test_second_event_loop_is_refused():
    async def main():
        async with answering(OK) as server:
            await fetch(transport, get(server.url))
            await transport.aclose()

    transport = AsyncioTransport()
    asyncio.run(main())
    with pytest.raises(RuntimeError, match="event loop"):
        asyncio.run(main())


# Cancellation: after it the only slot is free and the next request gets its own answer.


def misbehaving():
    async def script(reader, writer, number):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            server.heads.append(head)
            match head.split()[1]:
                case b"/silent" | b"/unread":
                    await asyncio.sleep(60)
                case b"/half":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                case b"/half-head":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
                case _:
                    writer.write(OK)

    server = Server(script)
    return server


@pytest.mark.parametrize("stage", ["/silent", "/half", "/half-head", "/unread", "connect"])
def test_cancelled_request_frees_its_slot(run, stage, server_context, client_context):
    async def main():
        async with (
            misbehaving() as server,
            Server(be_silent) as mute,
            AsyncioTransport(max_connections=1, ssl_context=client_context) as transport,
        ):
            for _ in range(3):
                url = mute.url.replace("http", "https") if stage == "connect" else server.url + stage
                content = b"x" * 50_000_000 if stage == "/unread" else b""
                seen = len(server.heads), mute.accepted
                task = asyncio.create_task(fetch(transport, get(url, method="POST", content=content)))
                await until(lambda seen=seen: (len(server.heads), mute.accepted) != seen)
                await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                response = await fetch(transport, get(server.url + "/", timeouts={"pool": 1}))
                assert response.content == b"ok"

    run(main)


@pytest.mark.parametrize("turns", range(6))
def test_cancelled_waiter_passes_its_slot_on(run, turns):
    """`turns` moves the cancellation over the moments before, at and after the slot is granted."""

    async def main():
        gates = {"/wait": asyncio.Event()}
        async with numbering(gates) as server, AsyncioTransport(max_connections=1) as transport:
            holder = asyncio.create_task(fetch(transport, get(server.url + "/wait")))
            await until(lambda: server.heads)
            waiter = asyncio.create_task(fetch(transport, get(server.url + "/")))
            next_one = asyncio.create_task(fetch(transport, get(server.url + "/", timeouts={"pool": 2})))
            await asyncio.sleep(0)
            holder.add_done_callback(lambda _: waiter.cancel())
            if turns == 0:
                waiter.cancel()
            gates["/wait"].set()
            for _ in range(turns):
                await asyncio.sleep(0)
            waiter.cancel()
            await asyncio.gather(waiter, return_exceptions=True)
            assert (await next_one).status_code == 200
            await holder
            await asyncio.gather(*[fetch(transport, get(server.url + "/", timeouts={"pool": 1})) for _ in range(3)])
            assert server.most_open <= 2

    run(main)


@pytest.mark.parametrize("begun", [False, True])
def test_answer_closed_early_closes_the_connection(run, begun):
    async def main():
        async with misbehaving() as server, AsyncioTransport(max_connections=1) as transport:
            response = await transport.handle_async_request(get(server.url + "/half"))
            if begun:
                assert await anext(response.aiter_raw()) == b"half"
            await response.aclose()
            await until(lambda: server.open == 0)
            assert (await fetch(transport, get(server.url))).content == b"ok"
            assert server.accepted == 2

    run(main)


def test_unread_body_does_not_become_part_of_the_next_answer(run):
    async def script(reader, writer, number):
        while True:
            await server.request(reader)
            head, _, body = OK.rpartition(b"\r\n\r\n")
            writer.write(head + b"\r\n\r\n")
            await asyncio.sleep(0.01)
            writer.write(body)

    async def main():
        async with server, AsyncioTransport(max_connections=1) as transport:
            unread = await transport.handle_async_request(get(server.url))
            await asyncio.sleep(0.03)
            await unread.aclose()
            assert (await fetch(transport, get(server.url))).content == b"ok"

    server = Server(script)
    run(main)


# Errors


async def close_at_once(reader, writer, number):
    await reader.readuntil(b"\r\n\r\n")


async def reset_at_once(reader, writer, number):
    await reader.readuntil(b"\r\n\r\n")
    reset(writer)


async def reset_in_the_body(reader, writer, number):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await asyncio.sleep(0.02)
    reset(writer)


async def be_silent(reader, writer, number):
    await asyncio.sleep(60)


async def drip_a_huge_head(reader, writer, number):
    writer.write(b"HTTP/1.1 200 OK\r\nA: ")
    while True:
        writer.write(b"a" * 1000)
        await writer.drain()
        await asyncio.sleep(0)


async def drip_interim_answers(reader, writer, number):
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 50)
        await writer.drain()
        await asyncio.sleep(0)


def saying(answer):
    async def script(reader, writer, number):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return script


def huge_head(size):
    return b"HTTP/1.1 200 OK\r\nA: %b\r\nContent-Length: 0\r\n\r\n" % (b"a" * size)


UPLOAD = {"method": "POST", "content": b"x" * 50_000_000}
SENT = [
    (close_at_once, httpx.RemoteProtocolError, {}),
    (reset_at_once, httpx.ReadError, {}),
    (reset_at_once, httpx.WriteError, UPLOAD),
    (reset_in_the_body, httpx.ReadError, {}),
    (be_silent, httpx.ReadTimeout, {"timeouts": {"read": 0.05}}),
    (be_silent, httpx.WriteTimeout, {"timeouts": {"write": 0.05}} | UPLOAD),
    (drip_a_huge_head, httpx.RemoteProtocolError, {}),
    (drip_interim_answers, httpx.RemoteProtocolError, {}),
    (saying(huge_head(70_000)), httpx.RemoteProtocolError, {}),
    (saying(b"SSH-2.0-OpenSSH_9.6\r\n"), httpx.RemoteProtocolError, {}),
    (saying(b"\x15\x03\x01\x00\x02\x02"), httpx.RemoteProtocolError, {}),
    (
        saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        httpx.RemoteProtocolError,
        {},
    ),
    (saying(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), httpx.RemoteProtocolError, {}),
    (saying(b"HTTP/1.1 100 Continue\r\n\r\n"), httpx.RemoteProtocolError, {}),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), httpx.RemoteProtocolError, {}),
    (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), httpx.RemoteProtocolError, {}),
    (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hex"), httpx.RemoteProtocolError, {}),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), httpx.RemoteProtocolError, {}),
]


@pytest.mark.parametrize(("script", "expected", "options"), SENT)
def test_error_after_the_request_was_sent(run, script, expected, options):
    async def main():
        async with Server(script) as server, answering(OK) as good, AsyncioTransport(max_connections=1) as transport:
            request = get(server.url, **options)
            with pytest.raises(httpx.TransportError) as caught:
                await fetch(transport, request)
            assert type(caught.value) is expected, caught.value
            assert caught.value.request is request
            assert str(caught.value)
            assert (await fetch(transport, get(good.url, timeouts={"pool": 1}))).content == b"ok"

    run(main)


def test_head_just_below_the_limit_is_read(run):
    async def main():
        async with Server(saying(huge_head(65_000))) as server, AsyncioTransport() as transport:
            assert len((await fetch(transport, get(server.url))).headers["a"]) == 65_000

    run(main)


def test_read_timeout_counts_from_the_last_byte(run):
    async def script(reader, writer, number):
        await reader.readuntil(b"\r\n\r\n")
        for byte in OK:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    async def main():
        async with Server(script) as server, AsyncioTransport() as transport:
            started = time.monotonic()
            assert (await fetch(transport, get(server.url, timeouts={"read": 0.2}))).content == b"ok"
            assert time.monotonic() - started > 0.3

    run(main)


def test_each_request_has_its_own_read_timeout(run):
    async def main():
        async with answering(OK, None) as server, AsyncioTransport() as transport:
            await fetch(transport, get(server.url, timeouts={"read": 60}))  # Leaves a timer that is 60 s away.
            started = time.monotonic()
            with pytest.raises(httpx.ReadTimeout):
                await fetch(transport, get(server.url, timeouts={"read": 0.05}))
            assert time.monotonic() - started < 1
            assert server.accepted == 1

    run(main)


def test_without_timeouts(run):
    async def main():
        async with answering(OK) as server, AsyncioTransport(max_connections=1) as transport:
            requests = [httpx.Request("GET", server.url) for _ in range(3)]
            responses = await asyncio.gather(*[fetch(transport, request) for request in requests])
            assert [response.content for response in responses] == [b"ok"] * 3

    run(main)


async def unused_port():
    async with answering(OK) as server:
        return server.port


@pytest.mark.parametrize(
    ("url", "expected", "timeouts"),
    [
        ("http://127.0.0.1:{closed}", httpx.ConnectError, {}),
        ("http://does-not-exist.invalid", httpx.ConnectError, {}),
        (f"http://{'a' * 64}.test", httpx.ConnectError, {}),
        ("https://127.0.0.1:{plain}", httpx.ConnectError, {}),
        ("https://127.0.0.1:{mute}", httpx.ConnectTimeout, {"connect": 0.05}),
        ("https://127.0.0.1:{hangup}", httpx.ConnectError, {}),
        ("https://127.0.0.1:{reset}", httpx.ConnectError, {}),
        ("http://127.0.0.1:{silent}", httpx.PoolTimeout, {"pool": 0.05}),
        ("ftp://127.0.0.1", httpx.UnsupportedProtocol, {}),
        ("/relative", httpx.UnsupportedProtocol, {}),
    ],
)
def test_error_before_anything_was_sent(run, url, expected, timeouts, client_context):
    async def hang_up(reader, writer, number):
        await reader.read(100)

    async def reset_handshake(reader, writer, number):
        await reader.read(100)
        reset(writer)

    async def speak_plainly(reader, writer, number):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\nThis is not an HTTPS port")

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            scripts = {"mute": be_silent, "hangup": hang_up, "reset": reset_handshake, "plain": speak_plainly}
            servers = {name: await stack.enter_async_context(Server(script)) for name, script in scripts.items()}
            servers["silent"] = await stack.enter_async_context(answering(None))
            servers["good"] = await stack.enter_async_context(answering(OK))
            ports = {name: server.port for name, server in servers.items()} | {"closed": await unused_port()}
            transport = await stack.enter_async_context(AsyncioTransport(max_connections=1, ssl_context=client_context))
            if expected is httpx.PoolTimeout:
                holder = asyncio.create_task(fetch(transport, get(servers["silent"].url)))
                await until(lambda: servers["silent"].heads)
            request = get(url.format(**ports), timeouts=timeouts)
            with pytest.raises(httpx.TransportError) as caught:
                await fetch(transport, request)
            assert type(caught.value) is expected, caught.value
            assert caught.value.request is request
            assert str(caught.value)
            if expected is httpx.PoolTimeout:
                holder.cancel()
                await asyncio.gather(holder, return_exceptions=True)
            assert (await fetch(transport, get(servers["good"].url, timeouts={"pool": 1}))).content == b"ok"

    run(main)


# Uploads and downloads


@pytest.mark.parametrize("ending", ["close", "reset", "stay"])
def test_early_refusal_of_an_upload_is_returned(run, ending):
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"

    async def script(reader, writer, number):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        await writer.drain()
        if ending == "reset":
            await asyncio.sleep(0.01)
            reset(writer)
        if ending == "stay":
            await asyncio.sleep(60)

    async def parts():
        while True:
            yield b"x" * 65536
            await asyncio.sleep(0)

    async def main():
        async with Server(script) as server, AsyncioTransport(max_connections=1) as transport:
            for _ in range(5):
                response = await fetch(transport, get(server.url, method="POST", content=parts()))
                assert (response.status_code, response.content) == (413, b"big")
            assert server.accepted == 5

    run(main)


def test_refusal_that_waits_in_the_kernel_is_returned(run):
    """The server, in a thread, has answered and closed before the client writes the next piece."""
    listener = socket.create_server(("127.0.0.1", 0))
    closed = threading.Event()

    def serve():
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
            peer.shutdown(socket.SHUT_WR)
        closed.set()

    async def parts():
        yield b"x" * 1000
        closed.wait(5)
        while True:
            yield b"x" * 65536

    async def main():
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with AsyncioTransport() as transport:
            response = await fetch(transport, get(url, method="POST", content=parts()))
            assert (response.status_code, response.content) == (413, b"big")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        run(main)
        thread.join()


def test_upload_goes_no_faster_than_the_server_reads(run):
    go_on: asyncio.Event | None = None
    produced = 0
    received = 0
    total = 64 * 1024 * 1024

    async def parts():
        nonlocal produced
        while produced < total:
            produced += 65536
            yield b"x" * 65536

    async def script(reader, writer, number):
        nonlocal received
        await reader.readuntil(b"\r\n\r\n")
        assert go_on is not None
        await go_on.wait()
        while received < total:
            received += len(await reader.read(2**20))
        writer.write(OK)

    async def main():
        nonlocal go_on
        go_on = asyncio.Event()
        async with Server(script) as server, AsyncioTransport() as transport:
            request = get(server.url, method="POST", content=parts(), headers={"Content-Length": str(total)})
            task = asyncio.create_task(fetch(transport, request))
            await until(lambda: produced > 0)
            await asyncio.sleep(0.1)
            # The two kernel buffers of a loopback connection and the server's reader take some megabytes.
            assert produced < 20 * 1024 * 1024
            go_on.set()
            assert (await task).content == b"ok"
            assert received == total

    run(main)


def test_download_goes_no_faster_than_it_is_read(run):
    written = 0
    total = 64 * 1024 * 1024

    async def script(reader, writer, number):
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while written < total:
            writer.write(b"x" * 65536)
            written += 65536
            await writer.drain()

    async def main():
        async with Server(script) as server, AsyncioTransport() as transport:
            response = await transport.handle_async_request(get(server.url))
            parts = response.aiter_raw()
            read = len(await anext(parts))
            await asyncio.sleep(0.1)
            assert written < 20 * 1024 * 1024
            largest = 0
            async for part in parts:
                read += len(part)
                largest = max(largest, len(part))
            assert read == total
            assert largest <= 2 * 256 * 1024 + 1024  # The buffer's limit, and the read that went over it.

    run(main)


# TLS


def test_tls_with_sni_and_alpn(run, server_context, client_context):
    seen = []

    async def script(reader, writer, number):
        while True:
            await server.request(reader)
            seen.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
            writer.write(OK)

    server = Server(script, server_context)
    server_context.sni_callback = lambda ssl_object, name, context: seen.append(name)

    async def main():
        async with server, AsyncioTransport(ssl_context=client_context) as transport:
            for _ in range(2):
                response = await fetch(transport, get(f"https://localhost:{server.port}"))
                assert response.content == b"ok"
            assert seen == ["localhost", "http/1.1", "http/1.1"]
            assert server.accepted == 1

    run(main)


@pytest.mark.parametrize("tunnelled", [False, True])
def test_untrusted_certificate_is_a_connect_error_with_the_reason(run, server_context, tunnelled):
    async def main():
        async with (
            Server(be_silent, server_context) as server,
            Proxy() as proxy,
            AsyncioTransport(proxy=proxy.url if tunnelled else None) as transport,
        ):
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED") as caught:
                await fetch(transport, get(server.url))
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)

    run(main)


def test_big_bodies_over_tls(run, server_context, client_context):
    async def script(reader, writer, number):
        while True:
            _, body = await server.request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    server = Server(script, server_context)

    async def main():
        async with server, AsyncioTransport(ssl_context=client_context) as transport:
            for _ in range(2):
                response = await transport.handle_async_request(
                    get(server.url, method="POST", content=b"x" * 5_000_000)
                )
                read = 0
                async for part in response.aiter_raw():
                    read += len(part)
                    await asyncio.sleep(0)
                assert read == 5_000_000
            assert server.accepted == 1

    run(main)


def test_tls_connection_closed_by_the_server_while_idle_is_not_used(run, server_context, client_context):
    async def script(reader, writer, number):
        await server.request(reader)
        writer.write(OK)

    server = Server(script, server_context)

    async def main():
        async with server, AsyncioTransport(ssl_context=client_context) as transport:
            for _ in range(5):
                assert (await fetch(transport, get(server.url))).content == b"ok"
                await until(lambda: server.open == 0)

    run(main)


# Proxies


class Proxy(Server):
    """A CONNECT proxy; `answer` replaces the tunnel by something else."""

    def __init__(self, answer=None, ssl_context=None):
        super().__init__(self._proxy, ssl_context)
        self.answer = answer

    async def _proxy(self, reader, writer, number):
        while True:
            head, _ = await self.request(reader)
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
                if self.answer:
                    await reader.read()  # The client has to close.
                return
            if not head.startswith(b"CONNECT"):
                writer.write(OK)
                continue
            host, port = head.split()[1].decode().rsplit(":", 1)
            there = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            try:
                await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))
            finally:
                there[1].transport.abort()
            return


async def _pump(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.mark.parametrize("secure_proxy", [False, True])
def test_http_through_a_proxy(run, secure_proxy, server_context, client_context):
    async def main():
        async with Proxy(ssl_context=server_context if secure_proxy else None) as server:
            url = server.url.replace("://", "://us%40er:p%3Aw@")
            async with AsyncioTransport(proxy=url, ssl_context=client_context) as transport:
                for host in ("one.test", "two.test:81"):
                    assert (await fetch(transport, get(f"http://{host}/a?b"))).content == b"ok"
            assert [head.split(b"\r\n")[0] for head in server.heads] == [
                b"GET http://one.test/a?b HTTP/1.1",
                b"GET http://two.test:81/a?b HTTP/1.1",
            ]
            assert all(b"\r\nProxy-Authorization: Basic " + base64.b64encode(b"us@er:p:w") in h for h in server.heads)
            assert server.accepted == 1

    run(main)


@pytest.mark.parametrize("secure_proxy", [False, True])
def test_https_through_a_tunnel(run, secure_proxy, server_context, client_context):
    async def script(reader, writer, number):
        while True:
            await target.request(reader)
            writer.write(OK)

    target = Server(script, server_context)

    async def main():
        async with target, Proxy(ssl_context=server_context if secure_proxy else None) as server:
            proxy = httpx.Proxy(server.url, auth=("user", "pass"), headers={"X-Team": "bots"})
            async with AsyncioTransport(proxy=proxy, ssl_context=client_context) as transport:
                for _ in range(3):
                    assert (await fetch(transport, get(target.url, method="POST", content=b"x"))).content == b"ok"
            (head,) = server.heads
            assert head.startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % target.port)
            assert b"\r\nProxy-Authorization: Basic " + base64.b64encode(b"user:pass") + b"\r\n" in head
            assert b"\r\nX-Team: bots\r\n" in head
            assert not any(b"Proxy-Authorization" in head or b"X-Team" in head for head in target.heads)
            assert len(target.heads) == 3

    run(main)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407 Proxy Auth"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\nno", "502"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"garbage\r\n\r\n", "HTTP/1.1"),
        (b"", "closed"),
    ],
)
def test_refusal_by_the_proxy(run, answer, message, client_context):
    async def main():
        async with (
            Proxy(answer) as server,
            AsyncioTransport(proxy=server.url, max_connections=1, ssl_context=client_context) as transport,
        ):
            for _ in range(2):
                request = get("https://target.test", timeouts={"pool": 1})
                with pytest.raises(httpx.ProxyError, match=message) as caught:
                    await fetch(transport, request)
                assert caught.value.request is request
                await until(lambda: server.open == 0)

    run(main)


def test_silent_proxy_is_a_connect_timeout(run, client_context):
    async def main():
        async with (
            Server(be_silent) as server,
            AsyncioTransport(proxy=server.url, ssl_context=client_context) as transport,
        ):
            with pytest.raises(httpx.ConnectTimeout):
                await fetch(transport, get("https://target.test", timeouts={"connect": 0.05}))

    run(main)


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1080", "socks4://127.0.0.1:1080", "127.0.0.1:1080"])
def test_other_proxies_are_refused_at_once(url):
    with pytest.raises(httpx.UnsupportedProtocol, match="not supported"):
        AsyncioTransport(proxy=url)
