"""One bot from identity to farewell: stand by, hold a session, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from django.db import Error

from vkteams_bot.api import Bot
from vkteams_bot.api.methods import GetMe
from vkteams_bot.api.types import BotInfo
from vkteams_bot.backoff import SERVER
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import CallError, InvalidToken
from vkteams_bot.models import BotAccount
from vkteams_bot.routing import Dispatcher
from vkteams_bot.runtime.bot_store import BotStore
from vkteams_bot.runtime.lease import take_lease
from vkteams_bot.runtime.loop_watch import LoopWatch
from vkteams_bot.runtime.session import Session
from vkteams_bot.stores.accounts import open_account
from vkteams_bot.stores.lease import LeaseLost, new_owner
from vkteams_bot.stores.outages import OutageWait, is_outage
from vkteams_bot.stores.threads import HandlerThreads, database_threads

logger = logging.getLogger("vkteams_bot.runtime")


class BotRunner:
    """Runs one bot until `stop` is set. Ends early only with an exception, which should end the process.

    `on_death` hears of what kills it, before it is wound up, and maybe again after that.
    """

    def __init__(
        self,
        bot: Bot,
        dispatcher: Dispatcher,
        threads: HandlerThreads,
        *,
        owner: str,
        stop: asyncio.Event,
        loop_watch: LoopWatch,
        skip_updates: bool = False,
        alone: asyncio.Lock | None = None,
        reset_offset: bool = False,
        on_death: Callable[[BaseException], object],
    ) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._threads = threads
        self._owner = owner
        self._stop = stop
        self._loop_watch = loop_watch
        self._skip_updates = skip_updates
        self._alone = alone
        self._reset_offset = reset_offset
        self._on_death = on_death
        self._is_holding = False
        self._extra = {"bot": bot.alias}
        # Handlers keep their connections; the bot's own must not starve beside them.
        self._thread, self._commit_thread = database_threads(bot.alias, on_refused=threads.spare_connections)
        self.hanging = 0
        """Database threads that nothing can end but the end of the process; known when `run` has ended."""

    async def run(self) -> None:
        """Raises InvalidToken, NotMigrated, PollingStuck, or whatever killed one of its tasks."""
        try:
            await self._until_stopped(self._run())
        except Exception as error:  # whatever it is: told before what follows, which may take its time
            self._on_death(error)
            raise
        finally:
            await self._bot.aclose()
            closed = await asyncio.gather(*(thread.close() for thread in {self._thread, self._commit_thread}))
            self.hanging = closed.count(False)

    async def _run(self) -> None:
        info = await self._introduce()
        self._bot.nick = info.nick
        account = await self._open(info)
        while True:
            store = BotStore(account, self._owner)
            await take_lease(store.lease, self._thread, self._bot.alias)
            try:
                await self._hold_session(store, info)
            except* LeaseLost:
                logger.warning(
                    "bot %s: another process took over; standing by",
                    self._bot.alias,
                    extra=self._extra | {"condition": "lease_lost"},
                )
                await self._acquit(store)
                # What this session may still be writing in a thread that hangs is not taken for the next one's.
                self._owner = new_owner()
            if self._stop.is_set():
                return

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Run until done, or until `stop` while nothing has to be wound up (before the lease, in standby)."""
        task = asyncio.create_task(work, name=f"bot {self._bot.alias}")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and not self._is_holding:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        finally:
            stopped.cancel()

    async def _introduce(self) -> BotInfo:
        failures = 0
        while True:
            try:
                return await self._bot.execute(GetMe(), retries=0)
            except InvalidToken:
                raise
            except CallError as error:
                failures += 1
                pause = SERVER.pause(failures)
                logger.warning(
                    "bot %s cannot reach its server, next try in %.1f s: %s",
                    self._bot.alias,
                    pause,
                    error,
                    extra=self._extra | {"condition": "server_away"},
                )
                await asyncio.sleep(pause)

    async def _open(self, info: BotInfo) -> BotAccount:
        outage = OutageWait(logger, extra=self._extra)
        return await outage.run_async(lambda: self._thread.run(open_account, self._bot.alias, info))

    async def _hold_session(self, store: BotStore, info: BotInfo) -> None:
        """While the lease is ours. Raises what ended it, nothing when stopped."""
        self._is_holding = True
        try:
            session = Session(
                self._bot,
                self._dispatcher,
                store,
                self._threads,
                self._thread,
                self._commit_thread,
                alone=self._alone,
                on_death=self._on_death,
            )
            logger.info(
                "bot %s (%s) runs at %s",
                self._bot.alias,
                info.nick or info.user_id,
                self._bot.api_url,
                extra=self._extra,
            )
            skip_updates, self._skip_updates = self._skip_updates, False
            reset_offset, self._reset_offset = self._reset_offset, False
            self._loop_watch.add(session)
            try:
                await session.run(self._stop, skip_updates=skip_updates, reset_offset=reset_offset)
            finally:
                self._loop_watch.remove(session)
            await self._release(store)
            logger.info("bot %s stopped", self._bot.alias, extra=self._extra)
        finally:
            self._is_holding = False

    async def _acquit(self, store: BotStore) -> None:
        """A lost lease is no crash, though the process that took over had to count one."""
        seconds = max(conf.stop_timeout, 1.0) if self._stop.is_set() else None
        try:
            async with asyncio.timeout(seconds):
                await self._thread.run_with_retry(store.acquit)
        except (
            Error,
            TimeoutError,
        ) as error:  # no outage: a statement timeout of the project's, or a lock that is held
            logger.warning("a crash that was none stays counted: %s", error or "the database hangs", extra=self._extra)

    async def _release(self, store: BotStore) -> None:
        try:
            async with asyncio.timeout(max(conf.stop_timeout, 1.0)):
                await self._thread.run(store.lease.release)
        except (Error, TimeoutError) as error:
            if isinstance(error, Error) and not is_outage(error):
                raise
            logger.warning(
                "the lease was not released and ends by itself: %s", error or "the database hangs", extra=self._extra
            )
