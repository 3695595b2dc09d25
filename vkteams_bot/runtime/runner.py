"""One bot from identity to farewell: stand by, recover, poll, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from vkteams_bot.api import Bot
from vkteams_bot.api.methods import GetMe
from vkteams_bot.api.retry import Backoff
from vkteams_bot.api.types import BotInfo
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import CallError, InvalidToken
from vkteams_bot.routing import Dispatcher
from vkteams_bot.runtime.hooks import run_hooks
from vkteams_bot.runtime.lease import keep_lease, take_lease
from vkteams_bot.runtime.sent_log import CommittedSentLog
from vkteams_bot.runtime.session import Parts
from vkteams_bot.runtime.watchdog import watch
from vkteams_bot.stores.bot_store import BotStore, open_account
from vkteams_bot.stores.lease import LeaseLost
from vkteams_bot.stores.threads import DatabaseThread, HandlerThreads, database_threads, is_connection_loss

logger = logging.getLogger("vkteams_bot.runtime")

START_BACKOFF = Backoff(first=1.0, longest=30.0)


class BotRunner:
    """Runs one bot until `stop` is set. Ends early only with an exception, which should end the process."""

    def __init__(
        self,
        bot: Bot,
        dispatcher: Dispatcher,
        threads: HandlerThreads,
        *,
        owner: str,
        stop: asyncio.Event,
        skip_updates: bool = False,
    ) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._threads = threads
        self._owner = owner
        self._stop = stop
        self._skip_updates = skip_updates
        self._extra = {"bot": bot.alias}
        self._thread, self._commit_thread = database_threads(f"database-{bot.alias}")

    async def run(self) -> None:
        """Raises InvalidToken, PollingStuck, or whatever killed one of its tasks."""
        try:
            await self._until_stopped(self._run())
        finally:
            await self._bot.aclose()
            for thread in {self._thread, self._commit_thread}:
                thread.close()

    async def _run(self) -> None:
        info = await self._introduce()
        self._bot.nick = info.nick
        store = await self._open(info)
        while True:
            await take_lease(store.lease, self._thread, self._bot.alias)
            try:
                await self._poll_and_handle(store, info)
            except* LeaseLost:
                logger.warning("bot %s: another process took over; standing by", self._bot.alias, extra=self._extra)
            if self._stop.is_set():
                return

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Run until done, or until `stop` while nothing has to be wound up (before the lease, in standby)."""
        task = asyncio.create_task(work, name=f"bot {self._bot.alias}")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and not self._holding:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            stopped.cancel()

    _holding = False

    async def _introduce(self) -> BotInfo:
        failures = 0
        while True:
            try:
                return await self._bot.execute(GetMe(), retries=0)
            except InvalidToken:
                raise
            except CallError as error:
                failures += 1
                pause = START_BACKOFF.pause(failures)
                logger.warning(
                    "bot %s cannot reach its server, next try in %.1f s: %s",
                    self._bot.alias,
                    pause,
                    error,
                    extra=self._extra,
                )
                await asyncio.sleep(pause)

    async def _open(self, info: BotInfo) -> BotStore:
        failures = 0
        while True:
            try:
                account = await self._thread.run(open_account, self._bot.alias, info)
                return BotStore(account, self._owner)
            except Exception as error:
                if not is_connection_loss(error):
                    raise
                failures += 1
                logger.warning("the database is away, waiting for it: %s", error, extra=self._extra)
                await asyncio.sleep(START_BACKOFF.pause(failures))

    async def _poll_and_handle(self, store: BotStore, info: BotInfo) -> None:
        """While the lease is ours. Raises an ExceptionGroup of what ended it, nothing when stopped."""
        self._holding = True
        try:
            session = _Session(self._bot, self._dispatcher, self._threads, self._thread, self._commit_thread, store)
            logger.info(
                "bot %s (%s) runs at %s",
                self._bot.alias,
                info.nick or info.user_id,
                self._bot.api_url,
                extra=self._extra,
            )
            skip_updates, self._skip_updates = self._skip_updates, False
            await session.run(self._stop, skip_updates=skip_updates)
            await self._release(store)
            logger.info("bot %s stopped", self._bot.alias, extra=self._extra)
        finally:
            self._holding = False

    async def _release(self, store: BotStore) -> None:
        try:
            await self._thread.run(store.lease.release)
        except Exception as error:
            if not is_connection_loss(error):
                raise
            logger.warning("the lease was not released and ends by itself: %s", error, extra=self._extra)


class _Session:
    """The parts that live while the lease is held."""

    def __init__(
        self,
        bot: Bot,
        dispatcher: Dispatcher,
        threads: HandlerThreads,
        thread: DatabaseThread,
        commit_thread: DatabaseThread,
        store: BotStore,
    ) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._store = store
        self._thread = thread
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parts = Parts(bot, dispatcher, store, threads, thread, commit_thread, on_failure=self._fail)
        self._tasks: list[asyncio.Task[None]] = []

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    def _watch(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Background work is named and watched: its death ends the session."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._fail(error)

    async def run(self, stop: asyncio.Event, *, skip_updates: bool) -> None:
        self._bot.sent_hook = CommittedSentLog(self._parts.committer, asyncio.get_running_loop())
        committing = self._watch(self._parts.committer.run(), "committer")
        try:
            self._watch(keep_lease(self._store.lease, self._thread), "lease")
            await run_hooks(self._dispatcher.startup_hooks, self._bot)
            work = self._watch(self._work(skip_updates), "poller")
            stopped = asyncio.create_task(stop.wait(), name="stop")
            try:
                await asyncio.wait((stopped, self._failure), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopped.cancel()
            if not self._failure.done():
                await self._wind_down(work)
            if self._failure.done():
                self._failure.result()
            await run_hooks(self._dispatcher.shutdown_hooks, self._bot)
            self._parts.committer.close()
            await asyncio.wait((committing,), timeout=conf.stop_timeout)
            if committing.done():
                committing.result()
            else:
                logger.error("the database is away: what ended last is not recorded and will run again")
        finally:
            self._failure.cancel()
            await asyncio.gather(self._parts.lanes.stop(0), self._parts.delivery.finish(0))
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, skip_updates: bool) -> None:
        if skip_updates:
            skipped = await self._thread.run(self._store.skip_pending)
            skipped += await self._parts.poller.skip_backlog()
            logger.info("%d updates skipped", skipped, extra={"bot": self._bot.alias})
        await self._parts.recovery.run()
        self._watch(self._parts.sweep.run(), "sweep")
        self._watch(watch(self._parts.poller, self._bot.poll_time, self._bot.timeout), "watchdog")
        await self._parts.poller.run()

    async def _wind_down(self, work: asyncio.Task[None]) -> None:
        """Stop polling, let running handlers finish within STOP_TIMEOUT; the rest is in the database."""
        self._parts.delivery.stop()
        work.cancel()
        late, _ = await asyncio.gather(
            self._parts.lanes.stop(conf.stop_timeout), self._parts.delivery.finish(conf.stop_timeout)
        )
        if late:
            logger.warning(
                "%d handlers did not finish within %s s and will run again",
                late,
                conf.stop_timeout,
                extra={"bot": self._bot.alias},
            )
