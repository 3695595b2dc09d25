"""Database work of the bot in the thread of the test: its connection, its transaction."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync, ThreadSensitiveContext
from django.db import connections

from vkteams_bot.stores.threads import DatabaseThread, HandlerThreads

logger = logging.getLogger("vkteams_bot.testing")

STRANGE_LOOP = (
    "this does not run in the thread of the test, so its transaction would not see it: run async tests by Django's "
    "test classes or the pytest plugin of vkteams_bot (docs/testing.md, Async tests)"
)
P = ParamSpec("P")
T = TypeVar("T")


class HomeThread(Executor):
    """Runs what is submitted in the thread that made it, while that thread serves."""

    def __init__(self) -> None:
        self._ident = threading.get_ident()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._sensitive = ThreadSensitiveContext()
        self._executors: Any = SyncToAsync.context_to_thread_executor
        self._executors[self._sensitive] = _Guarded(self)
        self.context = contextvars.Context()
        """For tasks whose synchronous work is to be done here. It knows nothing of the test's own event loop."""
        self.context.run(SyncToAsync.thread_sensitive_context.set, self._sensitive)
        self.serving = False

    def close(self) -> None:
        """Serve no more tasks."""
        self._executors.pop(self._sensitive, None)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._jobs.put(functools.partial(_run, future, functools.partial(fn, *args, **kwargs)))
        return future

    def serve_until(self, done: Future[T], after_each: Callable[[], None]) -> T:
        """Work until `done` is, and return its result. `after_each` runs after each piece of work."""
        done.add_done_callback(lambda _: self._jobs.put(None))
        self.serving = True
        try:
            while True:
                job = self._jobs.get()
                if job is not None:
                    job()
                    after_each()
                elif done.done():
                    return done.result()
        finally:
            self.serving = False
            done.cancel()

    def call(self, work: Callable[[], T]) -> T:
        """Do it here, also for a coroutine of the test, which runs in another thread while this one waits for it."""
        if threading.get_ident() == self._ident:
            return work()
        executor = getattr(AsyncToSync.executors, "current", None)
        if executor is None:
            raise RuntimeError(STRANGE_LOOP)
        result: T = executor.submit(self.checked, work).result()
        return result

    def checked(self, work: Callable[[], T]) -> T:
        """Do it, if this is the thread. Raises RuntimeError."""
        __tracebackhide__ = True
        if threading.get_ident() != self._ident:
            raise RuntimeError(STRANGE_LOOP)
        return work()


class _Guarded(Executor):
    """For code of the project: a statement that fails must not spoil the transaction of the test.

    Outside of tests each statement is on its own. Here all that the same piece of work has written goes with it.
    """

    def __init__(self, home: HomeThread) -> None:
        self._home = home

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._home.submit(_guarded, functools.partial(fn, *args, **kwargs))


class HomeDatabase(DatabaseThread):
    """The store's thread is that of the test."""

    def __init__(self, home: HomeThread) -> None:
        self._home = home

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        result: T = await loop.run_in_executor(self._home, functools.partial(work, *args, **kwargs))
        return result

    async def close(self, seconds: float = 0) -> bool:
        """The connections are the test's."""
        return True


class HomeHandlers(HandlerThreads):
    """So are those of the handlers: every task has a context of the home thread."""

    def __init__(self) -> None:
        """No threads."""

    def assigned(self) -> AbstractContextManager[object]:
        return contextlib.nullcontext()

    def distrust(self) -> None:
        """The connections are the test's."""

    def spare_connections(self) -> None:
        """The connections are the test's."""

    def close(self) -> int:
        return 0


class Committed:
    """`transaction.on_commit` inside the transaction of a test: what was registered meanwhile runs, as if it ended.

    Django's `captureOnCommitCallbacks(execute=True)` does the same, at the end of a block.
    """

    def __init__(self) -> None:
        self._seen = {
            connection.alias: len(connection.run_on_commit)
            for connection in connections.all(initialized_only=True)
            if connection.in_atomic_block
        }

    def run(self) -> None:
        for alias in self._seen:
            callbacks: list[Any] = connections[alias].run_on_commit
            while len(callbacks) > (seen := min(self._seen[alias], len(callbacks))):
                self._seen[alias] = seen + 1
                _, callback, robust = callbacks[seen]
                try:
                    callback()
                except Exception:  # the project's callback may raise anything; Django handles a robust one alike
                    if not robust:
                        raise
                    logger.exception("a callback of transaction.on_commit failed")


def wait_as_configured() -> None:
    """The store limits, for a transaction, how long it may be idle; a test may be idle in its own for longer."""
    for connection in connections.all(initialized_only=True):
        if connection.vendor == "postgresql" and connection.in_atomic_block and not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout TO DEFAULT")


def _guarded(work: Callable[[], T]) -> T:
    points = [
        (connection, point, len(connection.savepoint_ids))
        for connection in connections.all(initialized_only=True)
        if connection.in_atomic_block and (point := connection.savepoint()) is not None
    ]
    try:
        return work()
    finally:
        for connection, point, depth in points:
            if len(connection.savepoint_ids) != depth:
                continue  # the work has left a transaction open
            if connection.needs_rollback:
                connection.set_rollback(False)  # else the next line is refused
                connection.savepoint_rollback(point)
            else:
                connection.savepoint_commit(point)


def _run(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # whatever it is, it is raised where the result is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
