"""The one crossing between async code and the ORM: which thread runs it, and how its connections stay clean."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.db import Error, InterfaceError, OperationalError, connections

P = ParamSpec("P")
T = TypeVar("T")

HANDLER_THREADS = 8
_LOCKED = ("database is locked", "database table is locked")


def drop_broken_connections() -> None:
    """In the thread that used them: close connections that failed or outlived CONN_MAX_AGE.

    Unlike Django's `close_old_connections` it keeps good ones when CONN_MAX_AGE is 0, which means "until the end of
    the request": a bot has no requests, and a connection per handler would cost more than the handler.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            continue
        if connection.errors_occurred and connection.connection is not None and not connection.is_usable():
            connection.close()
        elif connection.settings_dict["CONN_MAX_AGE"] != 0:
            connection.close_if_unusable_or_obsolete()
        connection.errors_occurred = False


def is_connection_loss(error: BaseException) -> bool:
    """The database went away or was busy: the same work may succeed when it is repeated."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    if isinstance(state, str):  # PostgreSQL: connection exceptions, operator intervention, serialisation, resources
        return state[:2] in ("08", "40", "53", "57")
    text = str(error)
    return any(part in text for part in _LOCKED) or "unable to open" in text or _is_postgres_error(error)


def _is_postgres_error(error: BaseException) -> bool:
    return type(error.__cause__).__module__.partition(".")[0] in ("psycopg", "psycopg2")


class DatabaseThread:
    """One thread with its own connections, for work that must not wait behind handlers."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run to its end, even when the caller is cancelled: a write that has begun is finished."""
        future = self._executor.submit(_cleanly, functools.partial(work, *args, **kwargs))
        return await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        self._executor.submit(connections.close_all)
        self._executor.shutdown(wait=True)


def _cleanly(work: Callable[[], T]) -> T:
    drop_broken_connections()
    try:
        return work()
    except Error:
        # The transaction is rolled back; whatever is left of the connection is not trusted.
        connections.close_all()
        raise


class _HandlerExecutor(ThreadPoolExecutor):
    """Django's async ORM sends each query here; broken connections are dropped before each."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(_after_cleaning, functools.partial(fn, *args, **kwargs))


def _after_cleaning(work: Callable[[], T]) -> T:
    drop_broken_connections()
    return work()


class HandlerThreads:
    """A few threads for the ORM calls and `def` handlers of many conversations.

    asgiref runs all of them in one thread of the process by default; a ThreadSensitiveContext has a thread of its own.
    One handler stays in one thread, as its transactions need.
    """

    def __init__(self, count: int = HANDLER_THREADS) -> None:
        self._contexts = [ThreadSensitiveContext() for _ in range(count)]
        self._executors = [_HandlerExecutor(1, thread_name_prefix=f"handlers-{number}") for number in range(count)]
        self._turns = itertools.cycle(self._contexts)
        self._map: weakref.WeakKeyDictionary[Any, Any] = SyncToAsync.context_to_thread_executor
        for context, executor in zip(self._contexts, self._executors, strict=True):
            self._map[context] = executor

    @contextlib.contextmanager
    def assigned(self) -> Iterator[None]:
        """Inside, synchronous work of this task goes to one of the threads."""
        token = SyncToAsync.thread_sensitive_context.set(next(self._turns))
        try:
            yield
        finally:
            SyncToAsync.thread_sensitive_context.reset(token)

    def close(self) -> None:
        for context, executor in zip(self._contexts, self._executors, strict=True):
            self._map.pop(context, None)
            executor.submit(connections.close_all)
            executor.shutdown(wait=False)
