"""What the server says, as far as it has said it."""

from __future__ import annotations

import httptools

__all__ = ["MAX_HEAD_BYTES", "Answer"]

MAX_HEAD_BYTES = 64 * 1024


class Answer:
    """Collects one answer after another from bytes: `expect`, `feed` until `complete`, `take_body` meanwhile.

    `answered` means that the final head is here; interim answers (1xx) are skipped, trailers dropped. Between two
    answers it counts as complete, so that any byte that comes then is one too many.
    """

    def __init__(self) -> None:
        self.status = 0
        self.reason = b""
        self.http_version = b"HTTP/1.1"
        self.headers: list[tuple[bytes, bytes]] = []
        self.answered = False
        self.complete = True
        self.keep_alive = False
        self.buffered_bytes = 0
        self._chunks: list[bytes] = []
        self._parser: httptools.HttpResponseParser | None = None
        self._head_only = False
        self._headers_too_large = False
        self._bytes_since_body = 0

    def expect(self, *, head_only: bool) -> None:
        """Make ready for the next answer."""
        if self._parser is None or self._head_only:
            # After an answer to HEAD the parser still waits for the body that its Content-Length announced.
            self._parser = httptools.HttpResponseParser(self)
        self._head_only = head_only
        self._bytes_since_body = 0
        self.headers = []
        self.reason = b""
        self.answered = self.complete = self.keep_alive = False

    def feed(self, data: bytes) -> None:
        """Parse `data`; raises httptools.HttpParserError or HttpParserUpgrade."""
        assert self._parser is not None
        self._bytes_since_body += len(data)
        self._parser.feed_data(data)

    def take_body(self) -> bytes:
        """The part of the body that has come since the last call."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.buffered_bytes = 0
        return data

    def is_oversized(self) -> bool:
        """True if the head, the interim answers before it or the trailers are larger than MAX_HEAD_BYTES."""
        return self._headers_too_large or self._bytes_since_body > MAX_HEAD_BYTES

    def ends_with_connection(self) -> bool:
        """True if the end of the stream is what ends the body."""
        codings = [value.lower() for name, value in self.headers if name.lower() == b"transfer-encoding"]
        if codings:
            return not codings[-1].endswith(b"chunked")
        return not any(name.lower() == b"content-length" for name, _ in self.headers)

    def drop_parser(self) -> None:
        """Break the reference cycle with the parser; nothing more will be fed."""
        self._parser = None

    # Callbacks of the parser. It swallows what they raise, and knows neither HEAD nor where we stop listening.

    def on_message_begin(self) -> None:
        if self.complete:
            self.keep_alive = False  # A second answer to one question.

    def on_status(self, status: bytes) -> None:
        if not self.answered:
            self.reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.answered:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None or self.answered:
            return
        status = parser.get_status_code()
        if status < 200:
            self.headers = []
            self.reason = b""
            return
        if self._bytes_since_body > MAX_HEAD_BYTES and sum(len(n) + len(v) for n, v in self.headers) > MAX_HEAD_BYTES:
            self._headers_too_large = True
            return
        self.status = status
        self.http_version = b"HTTP/1.1" if parser.get_http_version() == "1.1" else b"HTTP/1.0"
        self.keep_alive = parser.should_keep_alive()
        self.answered = True
        self.complete = self._head_only

    def on_body(self, body: bytes) -> None:
        if self.complete:
            self.keep_alive = False
            return
        self._chunks.append(body)
        self.buffered_bytes += len(body)
        self._bytes_since_body = 0

    def on_message_complete(self) -> None:
        if self.answered:
            self.complete = True
