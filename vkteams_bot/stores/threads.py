"""Threads between async code and the ORM: which one runs a piece of work, and how its connections stay clean."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.db import DEFAULT_DB_ALIAS, Error, connections

from vkteams_bot.stores.outages import OutageWait, is_connection_refused
from vkteams_bot.stores.slow_calls import SlowCalls, slow_calls
from vkteams_bot.stores.wrong_database import NotMigrated, is_unmigrated

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("vkteams_bot.runtime")

HANDLER_THREADS = 32
MOST_REPLACED = 32
CLOSE_SECONDS = 1.0


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


class DatabaseThread:
    """One thread with its own connections, for work that must not wait behind handlers.

    What takes long is told in the name of `bot`. `on_refused` is called when the database has no connection for it.
    """

    def __init__(
        self,
        name: str,
        *,
        bot: str | None = None,
        slow: SlowCalls = slow_calls,
        on_refused: Callable[[], object] | None = None,
    ) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._bot = bot
        self._slow = slow
        self._on_refused = on_refused

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run to its end, even when the caller is cancelled: a write that has begun is finished.

        Raises NotMigrated when a table or column is not there.
        """
        future = asyncio.wrap_future(self._executor.submit(self._watched, functools.partial(work, *args, **kwargs)))
        future.add_done_callback(_taken_note_of)
        return await asyncio.shield(future)

    async def run_with_retry(self, work: Callable[[], T]) -> T:
        """As `run`, but a lost database is waited for. The work may be done twice: a commit that was not answered."""
        return await OutageWait(logger).run_async(lambda: self.run(work))

    def _watched(self, work: functools.partial[T]) -> T:
        with self._slow.watched(_name_of(work), logger, bot=self._bot):
            try:
                return _cleanly(work)
            except Error as error:
                if self._on_refused is not None and is_connection_refused(error):
                    self._on_refused()
                raise

    async def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Close its connections; False: it is still busy after so long, and only the end of the process ends it."""
        last = asyncio.wrap_future(self._executor.submit(connections.close_all))
        self._executor.shutdown(wait=False)
        ended, _ = await asyncio.wait((last,), timeout=seconds)
        return bool(ended)


def database_threads(bot: str, *, on_refused: Callable[[], object]) -> tuple[DatabaseThread, DatabaseThread]:
    """One for ingest and one for commits, which PostgreSQL runs side by side; the same one for SQLite's only writer."""
    ingest = DatabaseThread(f"database-{bot}-ingest", bot=bot, on_refused=on_refused)
    if connections[DEFAULT_DB_ALIAS].vendor == "sqlite":
        return ingest, ingest
    return ingest, DatabaseThread(f"database-{bot}-commit", bot=bot, on_refused=on_refused)


def _taken_note_of(future: asyncio.Future[Any]) -> None:
    """When its caller was cancelled nobody asks for the failure any more, and asyncio would log it with a traceback."""
    if not future.cancelled():
        future.exception()


def _name_of(work: Callable[..., object]) -> str:
    while isinstance(work, functools.partial):
        work = work.func
    return getattr(work, "__qualname__", type(work).__name__).removesuffix(".<locals>.<lambda>")


def _cleanly(work: Callable[[], T]) -> T:
    drop_broken_connections()
    try:
        return work()
    except Error as error:
        # The transaction is rolled back; whatever is left of the connection is not trusted.
        connections.close_all()
        if is_unmigrated(error):
            raise NotMigrated(error) from error
        raise


@dataclass(frozen=True, slots=True)
class _Job:
    handler: _HandlerExecutor
    work: Callable[[], Any]
    future: Future[Any]


class _HandlerExecutor(Executor):
    """Where asgiref sends the synchronous work of one handler while it is entered, in the handler's task.

    `kept`: its thread while a transaction is open. `running`: the threads that do its work now. `left`: the handler has
    ended, whatever they still do.
    """

    # Once per update: no generator, and no set before there is work.
    __slots__ = ("_context", "_threads", "_token", "kept", "left", "running")

    def __init__(self, threads: HandlerThreads) -> None:
        self._threads = threads
        self.kept: ThreadPoolExecutor | None = None
        self.running: set[ThreadPoolExecutor] | None = None
        self.left = False

    def __enter__(self) -> Self:
        self._context = ThreadSensitiveContext()
        SyncToAsync.context_to_thread_executor[self._context] = self
        self._token = SyncToAsync.thread_sensitive_context.set(self._context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        SyncToAsync.thread_sensitive_context.reset(self._token)
        SyncToAsync.context_to_thread_executor.pop(self._context, None)
        if self.kept is not None or self.running:
            self._threads.leave(self)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._threads.submit(_Job(self, functools.partial(fn, *args, **kwargs), future))
        return future


class HandlerThreads:
    """A few threads for the ORM calls and `def` handlers of many conversations.

    asgiref runs all of them in one thread of the process by default. Here work goes to whichever thread is free, so
    that a slow handler delays no other; one that leaves a transaction open has its thread to itself until it ends.
    A thread whose handler was given up while it worked is replaced, as long as there are at most `most_replaced` such.
    """

    def __init__(self, count: int = HANDLER_THREADS, *, most_replaced: int = MOST_REPLACED) -> None:
        self.count = count
        self._most_replaced = most_replaced
        self._made = 0
        self._threads: set[ThreadPoolExecutor] = set()
        self._idle = [self._new_thread() for _ in range(count)]
        self._replaced: set[ThreadPoolExecutor] = set()
        self._waiting: deque[_Job] = deque()
        self._lock = threading.Lock()
        self._outages = 0
        self._seen = threading.local()

    def assigned(self) -> AbstractContextManager[object]:
        """Inside, synchronous work of this task goes to these threads."""
        return _HandlerExecutor(self)

    @property
    def waiting(self) -> int:
        """How much work waits for a free thread."""
        return len(self._waiting)

    def _new_thread(self) -> ThreadPoolExecutor:
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"handlers-{self._made}")
        self._made += 1
        self._threads.add(thread)
        return thread

    def leave(self, executor: _HandlerExecutor) -> None:
        """The handler has ended: what it left open is closed, and the threads that still work for it are replaced."""
        with self._lock:
            executor.left = True
            kept = executor.kept is not None
            for thread in executor.running or ():
                if len(self._replaced) < self._most_replaced:
                    self._replaced.add(thread)
                    self._take_up(self._new_thread())
        if kept:
            self.submit(_Job(executor, _discard_connections, Future()))

    def _take_up(self, thread: ThreadPoolExecutor) -> None:
        """A thread is free. Called with the lock held."""
        if self._waiting:
            thread.submit(self._run, self._waiting.popleft(), thread)
        else:
            self._idle.append(thread)

    def spare_connections(self) -> None:
        """Close those of idle threads: somebody who must not wait gets none."""
        with self._lock:
            for thread in self._idle:
                thread.submit(connections.close_all)

    def distrust(self) -> None:
        """The database was away: every thread makes new connections before its next work."""
        self._outages += 1

    def submit(self, job: _Job) -> None:
        with self._lock:
            thread = job.handler.kept or (self._idle.pop() if self._idle else None)
            if thread is None:
                self._waiting.append(job)
            else:
                thread.submit(self._run, job, thread)

    def close(self) -> int:
        """Close all connections; how many threads are still busy after CLOSE_SECONDS. Those cannot be stopped."""
        with self._lock:
            self._waiting.clear()
            threads = list(self._threads)
            last = [thread.submit(connections.close_all) for thread in threads]
        for thread in threads:
            thread.shutdown(wait=False)
        return len(wait(last, CLOSE_SECONDS).not_done)

    def _run(self, job: _Job, thread: ThreadPoolExecutor) -> None:
        result: Any = None
        failure: BaseException | None = None
        wanted = job.future.set_running_or_notify_cancel()
        if wanted:
            with self._lock:
                if job.handler.running is None:
                    job.handler.running = set()
                job.handler.running.add(thread)
            try:
                self._clean()
                result = job.work()
            except BaseException as error:
                failure = error
        # Before the result is known: the handler's next work must find its thread.
        with self._lock:
            if job.handler.running is not None:
                job.handler.running.discard(thread)
            left = job.handler.left
            if not left:
                job.handler.kept = thread if _in_transaction() else None
        if left:  # given up while this ran: what it left open is nobody's
            job.handler.kept = None
            _discard_connections()
        if failure is not None:
            job.future.set_exception(failure)
        elif wanted:
            job.future.set_result(result)
        with self._lock:
            if job.handler.kept is thread:
                return
            if thread in self._replaced:
                self._replaced.discard(thread)
                self._threads.discard(thread)
                thread.shutdown(wait=False)
            else:
                self._take_up(thread)

    def _clean(self) -> None:
        if getattr(self._seen, "outages", 0) != self._outages and not _in_transaction():
            self._seen.outages = self._outages
            connections.close_all()
        drop_broken_connections()


def _discard_connections() -> None:
    """In their thread: close them, also within a transaction that nobody will end."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        if connection.in_atomic_block:
            del connections[connection.alias]


def _in_transaction() -> bool:
    return any(connection.in_atomic_block for connection in connections.all(initialized_only=True))
