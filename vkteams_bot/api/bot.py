"""Bot: a token, an installation, and one way to send."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self, TypeVar

import httpx

from vkteams_bot.api.call import Call, delay, in_event_loop
from vkteams_bot.api.chat_action import end_typing
from vkteams_bot.api.delayed import Delayed, Outbox
from vkteams_bot.api.facade import Facade
from vkteams_bot.api.fetching import Fetch
from vkteams_bot.api.http.sync_transport import SyncTransport
from vkteams_bot.api.http.tls import Verify, ssl_context
from vkteams_bot.api.http.transport import AsyncioTransport
from vkteams_bot.api.methods import Method
from vkteams_bot.api.profiles import Profiles
from vkteams_bot.api.redaction import remember_token
from vkteams_bot.api.remote_files import fetched, fetched_sync
from vkteams_bot.api.requests import RequestFactory, http_url
from vkteams_bot.api.responses import FOREIGN, read_answer, translate
from vkteams_bot.api.retry import RetryPolicy
from vkteams_bot.api.types import ParseMode
from vkteams_bot.exceptions import CallError, ConfigurationError, OutcomeUnknown, RateLimited
from vkteams_bot.limits import Limiter, LocalLimiter, Priority, RatePolicy, wait_turn, wait_turn_sync

R = TypeVar("R")
logger = logging.getLogger("vkteams_bot.api")

MAX_CONNECTIONS = 200
PROXY_VARIABLE = "VKT_PROXY"


class SentHook(Protocol):
    """Is told of every call that succeeded and is not a mere question."""

    def sent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        """From synchronous code, in the thread that sent."""

    async def asent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        """From async code."""


class Bot(Facade):
    """One bot of one installation, for async and sync code, any number of loops and threads.

    `timeout` and `poll_time` are in seconds, `rate_limit` in requests per second. A `transport` or `sync_transport`
    is used for everything and stays open: whoever gave it closes it. Raises ConfigurationError.

    A call waits in all `max_retry_after` seconds for pauses that the server asks for, be it in answer to this call or
    to another one, and raises RateLimited instead of waiting for more. Its place in a queue behind `rate_limit` it
    waits for as long as that takes. The outcome of a call with an answer of more than `max_answer_bytes` is unknown.
    """

    def __init__(
        self,
        token: str,
        api_url: str,
        *,
        alias: str = "default",
        parse_mode: ParseMode | str | None = None,
        timeout: float = 30,
        poll_time: int = 60,
        rate_limit: float | None = None,
        burst: int = 5,
        chat_rate_limit: float | None = None,
        proxy: str | None = None,
        verify: Verify = True,
        retries: int = 3,
        max_retry_after: float = 30,
        max_answer_bytes: int = 64 * 1024 * 1024,
        limiter: Limiter | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sync_transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not token:
            raise ConfigurationError("a bot needs a token: Metabot gives one in answer to /newbot")
        remember_token(token)
        self.alias = alias
        self.api_url = api_url
        self.user_id = token.rpartition(":")[2] if ":" in token else ""
        """The bot's own id, with which tokens end."""
        self.poll_time = poll_time
        self.timeout = timeout
        try:
            self.parse_mode = ParseMode(parse_mode) if parse_mode is not None else None
            policy = RatePolicy(rate=rate_limit, burst=burst, chat_rate=chat_rate_limit)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        self.profiles = Profiles()
        self.limiter = limiter or LocalLimiter(policy)
        self.retry = RetryPolicy(retries=retries)
        self.max_retry_after = max_retry_after
        self._max_answer_bytes = max_answer_bytes
        self._requests = RequestFactory(token=token, api_url=api_url, timeout=timeout)
        self._proxy = proxy or os.environ.get(PROXY_VARIABLE) or None
        if self._proxy is not None and http_url(self._proxy) is None:
            # It may hold a password, so it is not shown.
            raise ConfigurationError("PROXY must look like http://host:3128 or http://user:password@host:3128")
        self._verify = verify
        if not isinstance(verify, bool):
            ssl_context(verify)  # A bundle that cannot be read shall not wait for the first request.
        self._own_transport = transport
        self._own_sync_transport = sync_transport
        self._transports: dict[asyncio.AbstractEventLoop, httpx.AsyncBaseTransport] = {}
        self._sync_transport: httpx.BaseTransport | None = None
        self._sync_lock = threading.Lock()
        self.nick: str | None = None  # set by who asked self/get; commands to another nick are not for this bot
        self.sent_hook: SentHook | None = None
        self.outbox: Outbox | None = None

    def __repr__(self) -> str:
        return f"<Bot {self.alias!r} at {self.api_url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close this loop's connections, and those of synchronous code."""
        await end_typing(self)
        transport = self._transports.pop(asyncio.get_running_loop(), None)
        if transport is not None:
            await transport.aclose()
        self.close()

    def close(self) -> None:
        """Close the connections of synchronous code."""
        with self._sync_lock:
            transport, self._sync_transport = self._sync_transport, None
        if transport is not None:
            transport.close()

    async def execute(
        self,
        method: Method[R],
        *,
        charged: bool = True,
        retries: int | None = None,
        request_id: str | None = None,
        log: bool = True,
    ) -> R:
        """Send a method value and return its typed result. Raises CallError or InvalidCall.

        `charged=False`: the caller has taken the turn from `limiter` itself. `request_id` is for tracing.
        `log=False`: the caller writes the chat log itself.
        """
        if method.upload is not None and method.upload.is_far:
            async with fetched(method.upload) as near:
                method = method.uploading(near)
                return await self.execute(method, charged=charged, retries=retries, request_id=request_id, log=log)
        policy = self.retry if retries is None else RetryPolicy(retries=retries)
        params = method.params(self.parse_mode)
        if request_id is not None and "request_id" in method.wire_names:
            params.setdefault(method.wire_names["request_id"], request_id)
        attempt = 1
        patience = self.max_retry_after
        while True:
            if method.charged and (charged or attempt > 1):
                with _attributed_to(method):
                    patience -= await wait_turn(self.limiter, method.chat, patience)
            started = time.perf_counter()
            with _opened(method) as file:
                request = self._requests.build(method, params, file)
                try:
                    answer_seconds = self._requests.answer_seconds(method)
                    async with asyncio.timeout(None if file else answer_seconds) as limit:
                        response = await self._transport().handle_async_request(request)
                        if file:  # An upload may take its time, the rest of its answer may not.
                            limit.reschedule(asyncio.get_running_loop().time() + answer_seconds)
                        body = await _read(response, self._max_answer_bytes)
                    result = self._finish(method, response, body, started)
                    break
                except FOREIGN as error:
                    failure = self._failed(translate(error, method), started)
                except CallError as error:
                    failure = self._failed(error, started)
            pause = policy.pause(failure, method, attempt)
            if isinstance(failure, RateLimited) and pause is not None:
                patience -= pause
            if pause is None or patience < 0:
                raise failure
            attempt += 1
            await asyncio.sleep(pause)
        if log and self.sent_hook is not None and method.logged:
            await self.sent_hook.asent(self, method, result)
        return result

    def execute_sync(self, method: Method[R], *, retries: int | None = None) -> R:
        """Do as `execute`, from synchronous code. Raises RuntimeError inside a running event loop."""
        if in_event_loop():
            raise RuntimeError("inside async code await the call instead of .send(): it would block the event loop")
        if method.upload is not None and method.upload.is_far:
            with fetched_sync(method.upload) as near:
                return self.execute_sync(method.uploading(near), retries=retries)
        policy = self.retry if retries is None else RetryPolicy(retries=retries)
        params = method.params(self.parse_mode)
        attempt = 1
        patience = self.max_retry_after
        while True:
            if method.charged:
                with _attributed_to(method):
                    patience -= wait_turn_sync(self.limiter, method.chat, patience)
            started = time.perf_counter()
            with _opened(method) as file:
                request = self._requests.build(method, params, file)
                try:
                    response = self._transport_sync().handle_request(request)
                    result = self._finish(method, response, _read_sync(response, self._max_answer_bytes), started)
                    break
                except FOREIGN as error:
                    failure = self._failed(translate(error, method), started)
                except CallError as error:
                    failure = self._failed(error, started)
            pause = policy.pause(failure, method, attempt)
            if isinstance(failure, RateLimited) and pause is not None:
                patience -= pause
            if pause is None or patience < 0:
                raise failure
            attempt += 1
            time.sleep(pause)
        if self.sent_hook is not None and method.logged:
            self.sent_hook.sent(self, method, result)
        return result

    def delay_many(
        self,
        calls: Iterable[Call[Any]],
        *,
        at: datetime | timedelta | None = None,
        priority: Priority = Priority.NOTIFICATION,
    ) -> Delayed:
        """As `.delay()` of each of these calls of this bot, in a few statements. All or none are written."""
        return delay(self, [call.take() for call in calls], at, priority)

    async def fetch(self, url: str, sink: BinaryIO, *, max_size: int | None, listed: bool) -> str:
        """Stream a file into `sink`; its name as the server gives it, not made safe. Raises DownloadFailed.

        `listed`: the address is one that `files/getInfo` gave to this bot, so it may be asked with the token.
        """
        return await self._fetch(url, max_size, listed).run(self._transport(), sink)

    def fetch_sync(self, url: str, sink: BinaryIO, *, max_size: int | None, listed: bool) -> str:
        """Do as `fetch`, from synchronous code. Raises RuntimeError inside a running event loop."""
        if in_event_loop():
            raise RuntimeError("inside async code await the download instead of .send(): it would block the event loop")
        return self._fetch(url, max_size, listed).run_sync(self._transport_sync(), sink)

    def _fetch(self, url: str, max_size: int | None, listed: bool) -> Fetch:
        token_for = partial(self._requests.token_for, listed=listed)
        return Fetch(url, max_size=max_size, timeout=self.timeout, token_for=token_for)

    def _finish(self, method: Method[R], response: httpx.Response, body: bytes, started: float) -> R:
        result = read_answer(method, response.status_code, response.headers.get("retry-after"), body, self)
        if logger.isEnabledFor(logging.DEBUG):
            seconds = time.perf_counter() - started
            logger.debug("%s %s in %.1f ms", method.path, response.status_code, seconds * 1000)
        return result

    def _failed(self, error: CallError, started: float) -> CallError:
        if isinstance(error, RateLimited):
            self.limiter.pause(error.retry_after)
        logger.debug("%s after %.1f ms", error, (time.perf_counter() - started) * 1000)
        return error

    def _transport(self) -> httpx.AsyncBaseTransport:
        if self._own_transport is not None:
            return self._own_transport
        loop = asyncio.get_running_loop()
        transport = self._transports.get(loop)
        if transport is None:
            # A loop that ended without `aclose` took its connections with it.
            for ended in [known for known in list(self._transports) if known.is_closed()]:
                self._transports.pop(ended, None)
            transport = self._transports[loop] = AsyncioTransport(
                ssl_context=ssl_context(self._verify),
                proxy=self._proxy,
                max_connections=MAX_CONNECTIONS,
                max_idle_connections=MAX_CONNECTIONS,
            )
        return transport

    def _transport_sync(self) -> httpx.BaseTransport:
        if self._own_sync_transport is not None:
            return self._own_sync_transport
        with self._sync_lock:
            if self._sync_transport is None:
                self._sync_transport = SyncTransport(
                    verify=ssl_context(self._verify),
                    proxy=self._proxy,
                    trust_env=False,
                    limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=4),
                )
            return self._sync_transport


_NO_FILE: AbstractContextManager[BinaryIO | None] = nullcontext()


def _opened(method: Method[Any]) -> AbstractContextManager[BinaryIO | None]:
    """The upload, open for one attempt. Raises InvalidCall when it cannot be read."""
    upload = method.upload
    return upload.open() if upload is not None else _NO_FILE


@contextmanager
def _attributed_to(method: Method[Any]) -> Iterator[None]:
    """An error of the limiter, which knows no methods, names this one."""
    try:
        yield
    except RateLimited as error:
        error.method = method
        raise


def _too_long(most: int) -> OutcomeUnknown:
    return OutcomeUnknown(f"the answer is longer than {most} bytes")


async def _read(response: httpx.Response, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    stream: Any = response.stream
    try:
        async for chunk in stream:
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                raise _too_long(most)
    finally:
        await stream.aclose()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _read_sync(response: httpx.Response, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    stream: Any = response.stream
    try:
        for chunk in stream:
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                raise _too_long(most)
    finally:
        stream.close()
    return b"".join(chunks)
