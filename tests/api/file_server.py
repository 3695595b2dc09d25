"""A server of files on loopback that can misbehave: what it does is a function of the request."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """`behave` gets the handler of each complete request: it has `command`, `path`, `reply()` and the raw `wfile`."""

    def __init__(self, behave, ssl_context=None):
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.body_bytes = 0
        self.keep_bodies = True
        self.connections = 0
        self.behave = behave
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.asked.append(self.path)
                outer.behave(self)

            def do_POST(self):
                left = int(self.headers["content-length"])
                pieces = []
                while left > 0:
                    piece = self.rfile.read(min(left, 1024 * 1024))
                    if not piece:
                        self.close_connection = True
                        return
                    left -= len(piece)
                    outer.body_bytes += len(piece)
                    if outer.keep_bodies:
                        pieces.append(piece)
                outer.bodies.append(b"".join(pieces))
                self.do_GET()

            def reply(self, content=b"", status=200, **headers):
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(content)

            def begin(self, length, **headers):
                """The head alone; what follows is written by hand, and the connection closes after it."""
                self.close_connection = True
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()

            def stall(self):
                self.wfile.flush()
                outer.closing.wait(30)

            def log_message(self, *args):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                connection, address = super().get_request()
                outer.connections += 1
                if ssl_context is not None:
                    connection = ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                return connection, address

            def handle_error(self, request, client_address):
                """A client that goes away is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.scheme = "https" if ssl_context is not None else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def url(self, path, host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.port}{path}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
