"""Fetch: one file over HTTP, streamed, limited, and never half of it taken for the whole."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Generator
from typing import Any, BinaryIO, TypeAlias

import httpx

from vkteams_bot.api.filenames import name_in_header
from vkteams_bot.api.files import MAX_BYTES
from vkteams_bot.api.http.tls import REMEDY, certificate_problem
from vkteams_bot.api.redaction import redact
from vkteams_bot.api.requests import CONNECT_SECONDS, USER_AGENT, http_url
from vkteams_bot.api.responses import FOREIGN
from vkteams_bot.exceptions import DownloadFailed, FileTooLarge, InvalidCall

TokenRule: TypeAlias = Callable[[httpx.URL], str | None]

REDIRECTS = 5
INFLATED_BYTES = 64 * 1024
COME_LATER = (408, 425, 429)
SLOWEST = 1024
"""Bytes per second. A server that is slower for longer than the timeout gives a drop now and then, for ever."""


class Fetch:
    """A GET of one address. `timeout` is the longest silence in seconds; the whole may take longer, while data comes.

    Raises InvalidCall for what is no http(s) address. `token_for` says whether an address may see the token: it is
    asked for when the server refuses a plain request (botapi.md §2.4).
    """

    def __init__(
        self,
        url: str,
        *,
        max_size: int | None = MAX_BYTES,
        timeout: float = 30,
        token_for: TokenRule = lambda url: None,
    ) -> None:
        address = http_url(url)
        if address is None:
            raise InvalidCall("only addresses that begin with http:// or https:// can be fetched")
        self._url = address
        self._at = address
        self._max_size = max_size
        self._timeout = timeout
        self._timeouts = {
            "connect": min(timeout, CONNECT_SECONDS),
            "read": timeout,
            "write": timeout,
            "pool": timeout,
            "head": 2 * timeout,
        }
        self._token_for = token_for

    async def run(self, transport: httpx.AsyncBaseTransport, sink: BinaryIO) -> str:
        """Write the file into `sink`; its name as the server gives it, not made safe. Raises DownloadFailed."""
        try:
            response = await self._answered(transport)
            stream: Any = response.stream
            try:
                body = _Body(response, sink, self._max_size, self._timeout)
                async for piece in stream:
                    body.take(piece)
                body.end()
            finally:
                await stream.aclose()
        except FOREIGN as error:
            raise self._failed(error) from error
        return self._name(response)

    def run_sync(self, transport: httpx.BaseTransport, sink: BinaryIO) -> str:
        """Do as `run`, from synchronous code."""
        try:
            response = self._answered_sync(transport)
            stream: Any = response.stream
            try:
                body = _Body(response, sink, self._max_size, self._timeout)
                for piece in stream:
                    body.take(piece)
                body.end()
            finally:
                stream.close()
        except FOREIGN as error:
            raise self._failed(error) from error
        return self._name(response)

    async def _answered(self, transport: httpx.AsyncBaseTransport) -> httpx.Response:
        """The answer that has the file, its body not read yet."""
        steps = self._steps()
        request = next(steps)
        while True:
            async with asyncio.timeout(self._timeouts["head"]):
                response = await transport.handle_async_request(request)
            try:
                request = steps.send(response)
            except StopIteration:
                return response
            except BaseException:  # the generator refuses the answer; its connection must not be kept
                await response.aclose()
                raise
            await response.aclose()

    def _answered_sync(self, transport: httpx.BaseTransport) -> httpx.Response:
        steps = self._steps()
        request = next(steps)
        while True:
            response = transport.handle_request(request)
            try:
                request = steps.send(response)
            except StopIteration:
                return response
            except BaseException:  # as in `_answered`
                response.close()
                raise
            response.close()

    def _steps(self) -> Generator[httpx.Request, httpx.Response, None]:
        """Yields requests, takes their answers, and ends when the last one has the file. Raises DownloadFailed."""
        response = yield from self._follow(self._url)
        status = response.status_code
        token = self._token_for(self._url)
        if token is not None and 400 <= status < 500 and status not in COME_LATER and self._at.host == self._url.host:
            response = yield from self._follow(_with_token(self._url, token))
        if response.status_code != 200:
            reason = _refusal(response.status_code, asked_with_token=token is not None)
            raise DownloadFailed(f"{self._at.host}: {reason}")

    def _follow(self, url: httpx.URL) -> Generator[httpx.Request, httpx.Response, httpx.Response]:
        for _ in range(REDIRECTS + 1):
            self._at = url
            response = yield self._request(url)
            if not response.has_redirect_location:
                return response
            url = self._redirected(url, response.headers["location"])
        raise DownloadFailed(f"{self._at.host}: more than {REDIRECTS} redirects")

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        target = http_url(str(url.join(location)))
        if target is None or (url.scheme == "https" and target.scheme != "https"):
            raise DownloadFailed(f"{url.host}: a redirect to another scheme is not followed")
        token = self._token_for(self._url)
        if token is not None and target.host != url.host and redact(str(target)) != str(target):
            raise DownloadFailed(f"{url.host}: a redirect that would give the token to {target.host}")
        return target

    def _request(self, url: httpx.URL) -> httpx.Request:
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        return httpx.Request("GET", url, headers=headers, extensions={"timeout": self._timeouts})

    def _failed(self, error: Exception) -> DownloadFailed:
        certificate = certificate_problem(error)
        if certificate is not None:
            return DownloadFailed(f"{self._at.host}: {redact(str(certificate))}. {REMEDY}")
        reason = redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        return DownloadFailed(f"{self._at.host}: {reason}")

    def _name(self, response: httpx.Response) -> str:
        in_header = name_in_header(response.headers.get("content-disposition", ""))
        return in_header or self._url.path.rpartition("/")[2]


class _Body:
    """Takes the body of an answer piece by piece: undoes its coding, counts, writes."""

    def __init__(self, response: httpx.Response, sink: BinaryIO, max_size: int | None, patience: float) -> None:
        self._sink = sink
        self._max_size = max_size
        self._size = 0
        self._received = 0
        self._late_at = time.monotonic() + patience
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise DownloadFailed("the server sent a content coding that it was not asked for")
        self._inflater = zlib.decompressobj(wbits=47) if coding not in ("", "identity") else None
        length = response.headers.get("content-length", "")
        if self._inflater is None and length.isdecimal():
            self._allow(int(length))

    def take(self, piece: bytes) -> None:
        self._received += len(piece)
        if time.monotonic() > self._late_at + self._received / SLOWEST:
            raise DownloadFailed(f"the server sends less than {SLOWEST} bytes per second")
        if self._inflater is None:
            self._write(piece)
            return
        try:
            while piece:
                if self._inflater.eof:
                    raise DownloadFailed("the file's coding is broken: more follows its end")
                self._write(self._inflater.decompress(piece, INFLATED_BYTES))
                piece = self._inflater.unconsumed_tail or self._inflater.unused_data
        except zlib.error as error:
            raise DownloadFailed(f"the file's coding is broken: {error}") from None

    def end(self) -> None:
        if self._inflater is not None:
            self._write(self._inflater.flush())
            if not self._inflater.eof:
                raise DownloadFailed("the file is cut off")

    def _write(self, data: bytes) -> None:
        self._size += len(data)
        self._allow(self._size)
        try:
            self._sink.write(data)
        except OSError as error:
            raise DownloadFailed(f"cannot write the file: {error.strerror or error}") from error

    def _allow(self, size: int) -> None:
        if self._max_size is not None and size > self._max_size:
            raise FileTooLarge(f"the file has more than {self._max_size} bytes; max_size= sets another limit")


def _with_token(url: httpx.URL, token: str) -> httpx.URL:
    """Some servers fail when the colon of the token comes as %3A, so nothing of it is escaped."""
    parameter = b"token=" + token.encode()
    path, _, query = url.raw_path.partition(b"?")
    return url.copy_with(raw_path=path + b"?" + (query + b"&" + parameter if query else parameter))


def _refusal(status: int, *, asked_with_token: bool) -> str:
    if status in (401, 403) and not asked_with_token:
        return (
            f"HTTP {status}: the server wants to know who asks, but the token goes only to hosts of the installation "
            "(docs/files.md says which)"
        )
    if status in (404, 410):
        return f"HTTP {status}: no such file; addresses from files/getInfo are temporary, a file id is not"
    return f"HTTP {status}"
