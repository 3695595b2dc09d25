"""One bot while it holds its lease: its parts wired together, running, wound up in order."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import Error, connections

from vkteams_bot.api import Bot
from vkteams_bot.conf import conf
from vkteams_bot.fsm import Strategy
from vkteams_bot.models import Update
from vkteams_bot.routing import Dispatcher
from vkteams_bot.runtime.backlog import Backlog
from vkteams_bot.runtime.bot_store import BotStore
from vkteams_bot.runtime.committer import CommittedSentLog, Committer
from vkteams_bot.runtime.deaths import first_of
from vkteams_bot.runtime.due_delivery import DueDelivery
from vkteams_bot.runtime.handler import Running, UpdateHandler
from vkteams_bot.runtime.lanes import Lanes
from vkteams_bot.runtime.lease import LeaseKeeper
from vkteams_bot.runtime.poller import Poller
from vkteams_bot.runtime.replies import ReplyDelivery
from vkteams_bot.runtime.watch import Watch
from vkteams_bot.stores.conditions import Conditions
from vkteams_bot.stores.inbox import Finished
from vkteams_bot.stores.lease import LeaseLost
from vkteams_bot.stores.threads import DatabaseThread, HandlerThreads
from vkteams_bot.worker.results import retry_strategy

logger = logging.getLogger("vkteams_bot.runtime")

UPDATES_PER_SLOT = 100
"""In the lanes, in all. A conversation has at most LONGEST_LANE of them, so that many may hang before others wait."""
LONGEST_LANE = 20


class Session:
    """The parts of a bot that holds its lease.

    `thread` is for ingest, `commit_thread` for commits. `on_failure` hears of what ends a conversation's lane, by
    default that ends the session. `on_death` hears at once of what ends the session, but for a lost lease. `alone`: see
    `Backlog`.
    """

    def __init__(
        self,
        bot: Bot,
        dispatcher: Dispatcher,
        store: BotStore,
        threads: HandlerThreads,
        thread: DatabaseThread,
        commit_thread: DatabaseThread,
        *,
        on_failure: Callable[[BaseException], None] | None = None,
        alone: asyncio.Lock | None = None,
        on_death: Callable[[BaseException], object] | None = None,
    ) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._store = store
        self._thread = thread
        self._extra = {"bot": bot.alias}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_wound_down = False
        self._on_death = on_death
        strategy = Strategy(conf.fsm_strategy)
        high_water = conf.concurrency * UPDATES_PER_SLOT
        self.committer = Committer(store, commit_thread)
        self.delivery = ReplyDelivery(bot, self.committer, strategy=retry_strategy(), claim_seconds=store.claim_seconds)
        self.conditions = Conditions(bot.alias)
        self._handler = UpdateHandler(bot, dispatcher, self.committer, self.delivery, threads)
        self.lanes = Lanes(
            self._handler,
            refill=lambda key, after, limit: self.backlog.refill(key, after, limit),
            on_failure=on_failure or self._fail,
            longest=LONGEST_LANE,
        )
        self.backlog = Backlog(
            bot,
            store,
            thread,
            self.lanes,
            self.delivery,
            self.conditions,
            strategy=strategy,
            high_water=high_water,
            alone=alone,
        )
        self.poller = Poller(
            bot, store, thread, self.lanes, self.backlog, self.conditions, strategy=strategy, high_water=high_water
        )
        self.due_delivery = DueDelivery(store.account_id, bot, on_refused=threads.spare_connections)
        self._watch = Watch(self.conditions, self._handler, threads, self.lanes, self.delivery, high_water=high_water)
        self._keeper = LeaseKeeper(
            store.lease, thread, bot.alias, report=self.conditions.report, polled_ago=self.poller.answered_ago
        )

    def running_in(self, task: asyncio.Task[object] | None) -> Running | None:
        """The handler that this task runs."""
        running = list(self._handler.running.items())
        return next((item for lane, item in running if lane.task is not None and lane.task is task), None)

    def leave(self, blocking: Running | None, reason: str) -> None:
        """Give the lease back, and give up the update whose handler blocks the loop. In any thread."""
        finished = []
        if blocking is not None:
            finished.append(Finished(blocking.update.id, Update.Status.FAILED, blocking.name, reason))
        try:
            self._store.leave(finished)
        except (Error, LeaseLost) as error:
            logger.warning("the lease was not released and ends by itself: %s", error, extra=self._extra)
        finally:
            connections.close_all()

    def _fail(self, error: BaseException) -> None:
        if self._failure.done():
            return
        self._failure.set_exception(error)
        self._failure.exception()  # one that comes while the session ends is not asked for any more
        if self._on_death is not None and not isinstance(first_of(error), LeaseLost):
            self._on_death(error)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
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

    async def run(self, stop: asyncio.Event, *, skip_updates: bool, reset_offset: bool = False) -> None:
        """Until `stop` is set, then in order. Raises whatever killed a part."""
        self._bot.sent_hook = CommittedSentLog(self.committer, asyncio.get_running_loop())
        committing = self._start(self.committer.run(), "committer")
        try:
            self._start(self._keeper.run(), "lease")
            self._start(self.delivery.keep_claims(), "claims")
            self._start(self._watch.run(), "watch")
            await run_hooks(self._dispatcher.startup_hooks, self._bot)
            self.due_delivery.start()
            work = self._start(self._work(skip_updates, reset_offset), "poller")
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
            self.committer.close()
            await asyncio.wait((committing,), timeout=conf.stop_timeout)
            if committing.done():
                committing.result()
            else:
                logger.error("the database is away: what ended last is not recorded and will run again")
        finally:
            self._failure.cancel()
            # Not replies: what is delivered beside polling stays ours, also when another process polls from now on.
            seconds = 0 if self._is_wound_down else conf.stop_timeout
            await asyncio.gather(self.lanes.stop(0), self.due_delivery.stop(seconds))
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, skip_updates: bool, reset_offset: bool) -> None:
        if reset_offset:
            offset = await self._thread.run(self._store.reset_offset)
            logger.warning(
                "the offset was %d and is 0 now: all events that the server still holds are taken, but for those in "
                "the inbox",
                offset,
                extra=self._extra,
            )
        if skip_updates:
            skipped = await self._thread.run(self._store.skip_pending)
            skipped += await self.poller.skip_backlog()
            logger.info("%d updates skipped", skipped, extra=self._extra)
        self._start(self.backlog.run(), "backlog")
        self._start(self.poller.watch(), "watchdog")
        await self.poller.run()

    async def _wind_down(self, work: asyncio.Task[None]) -> None:
        """Stop polling, let running handlers finish within STOP_TIMEOUT; the rest is in the database."""
        self.delivery.stop()
        self._handler.stop()
        work.cancel()
        self._is_wound_down = True
        late, _ = await asyncio.gather(self.lanes.stop(conf.stop_timeout), self.due_delivery.stop(conf.stop_timeout))
        if late:
            logger.warning(
                "%d handlers did not finish within %s s and will run again", late, conf.stop_timeout, extra=self._extra
            )


async def run_hooks(hooks: Iterable[Callable[..., Any]], bot: Bot) -> None:
    """Run each, plain ones in a thread; `bot` is given to those that take a parameter of this name."""
    for hook in hooks:
        arguments = {"bot": bot} if "bot" in inspect.signature(hook).parameters else {}
        if inspect.iscoroutinefunction(hook):
            await hook(**arguments)
        else:
            await sync_to_async(hook)(**arguments)
