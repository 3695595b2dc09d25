"""A small HTTP server on loopback, in a thread of its own: it answers what it is told and keeps what it was asked."""

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.api.fakes import answer


@dataclass
class Received:
    path: str
    headers: dict
    body: bytes


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    ssl_context = None

    def get_request(self):
        connection, address = super().get_request()
        if self.ssl_context is not None:
            # The handshake comes with the first read, in the thread of the connection.
            connection = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        """A client that goes away is what some tests are about."""


class HttpServer:
    """`answer` is an httpx.Response, or a function of the request that gives one (None: say nothing at all)."""

    def __init__(self, ssl_context=None):
        self.answer: Any = answer()
        self.requests: list[Received] = []
        self.connections = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                with outer._lock:
                    outer.connections += 1

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                received = Received(self.path, dict(self.headers), body)
                with outer._lock:
                    outer.requests.append(received)
                    outer.in_flight += 1
                    outer.most_in_flight = max(outer.most_in_flight, outer.in_flight)
                try:
                    self._answer(received)
                finally:
                    with outer._lock:
                        outer.in_flight -= 1

            def _answer(self, received):
                response = outer.answer(received) if callable(outer.answer) else outer.answer
                if response is None:
                    outer._closing.wait(30)
                    self.close_connection = True
                    return
                self.send_response(response.status_code)
                for name, value in response.headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(response.content)))
                self.end_headers()
                self.wfile.write(response.content)

            def log_message(self, *args):
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.ssl_context = ssl_context
        scheme = "http" if ssl_context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}/bot/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def slowly(seconds, response=None):
    """An answer that takes its time."""

    def respond(received):
        time.sleep(seconds)
        return response if response is not None else answer(userId="1", msgId="1")

    return respond


def padded(size):
    """A good answer of about `size` bytes."""
    return httpx.Response(200, content=b'{"ok":true,"userId":"1","about":"' + b"x" * size + b'"}')
