"""The transport of synchronous code: httpx's own, with an end to every answer."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

__all__ = ["SyncTransport"]


class SyncTransport(httpx.HTTPTransport):
    """Knows two more timeouts once the request is written: how long the whole `answer`, or its `head`, may take.

    httpx limits the silence between two pieces only, so a server that drips would hold a thread for ever.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._thread = _Thread()
        # There is no public place for it.
        self._pool._network_backend = _Backend(self._pool._network_backend, self._thread)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions.get("timeout", {})
        self._thread.answer_seconds = timeouts.get("answer", timeouts.get("head"))
        response = super().handle_request(request)
        self._thread.answer_seconds = timeouts.get("answer")
        return response


class _Thread(threading.local):
    """What the request of this thread asked for: a connection serves many, one at a time."""

    answer_seconds: float | None = None


class _Backend(httpcore.NetworkBackend):
    def __init__(self, backend: httpcore.NetworkBackend, thread: _Thread) -> None:
        self._backend = backend
        self._thread = thread

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(stream, self._thread)


class _Stream(httpcore.NetworkStream):
    """The clock starts with the first read after a write: how long an upload takes is no matter of the answer."""

    def __init__(self, stream: httpcore.NetworkStream, thread: _Thread) -> None:
        self._stream = stream
        self._thread = thread
        self._until: float | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        seconds = self._thread.answer_seconds
        if seconds is not None and timeout is not None:
            now = time.monotonic()
            if self._until is None:
                self._until = now + seconds
            timeout = min(timeout, self._until - now)
            if timeout <= 0:
                raise httpcore.ReadTimeout(f"the answer did not end in {seconds:g} s")
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._until = None
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._thread)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
