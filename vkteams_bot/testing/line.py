"""The bot on the other end of the line: the real parts of a running bot, over an emulator in this process.

    a person acts in the world ─► its events wait for the bot
    exchange() poll ─► inbox ─► lanes ─► handler ─► commit ─► delivery ─► outcomes, again until nothing is left to do

The parts run in an event loop of their own, in a thread of its own (loop.py). Their database work, `def` handlers and
the ORM of async handlers come back into the thread of the test, which serves them while it waits (threads.py): so all
of it happens on the test's connection and in its transaction.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from django.apps import apps
from django.db.models import DateTimeField, F, Model
from django.utils import timezone

from vkteams_bot import notify
from vkteams_bot.api.methods import GetMe
from vkteams_bot.backoff import SERVER
from vkteams_bot.conf import conf
from vkteams_bot.discovery import discover_routers, dispatcher_of
from vkteams_bot.emulator.behaviour import Behaviour
from vkteams_bot.emulator.faults import Faults
from vkteams_bot.emulator.http import EmulatorApp
from vkteams_bot.emulator.world import World
from vkteams_bot.exceptions import CallError, InvalidToken
from vkteams_bot.limits import RatePolicy
from vkteams_bot.models import OutgoingCall
from vkteams_bot.registry import bots
from vkteams_bot.routing import Router
from vkteams_bot.runtime.bot_store import BotStore
from vkteams_bot.runtime.committer import CommittedSentLog
from vkteams_bot.runtime.session import Session, run_hooks
from vkteams_bot.stores.accounts import open_account
from vkteams_bot.stores.candidates import due_accounts
from vkteams_bot.stores.lease import new_owner
from vkteams_bot.testing.failures import CallRefused, HandlerFailed, NotSettled
from vkteams_bot.testing.home_thread import Committed, HomeDatabase, HomeHandlers, HomeThread, wait_as_configured
from vkteams_bot.testing.hurried_loop import HurriedLimiter, HurriedLoop, HurriedRetries
from vkteams_bot.testing.in_process import InProcess
from vkteams_bot.testing.observed import KitSentLog, ObservedDispatcher, ObservedStore
from vkteams_bot.worker.delivery import Deliverer

T = TypeVar("T")

API_URL = "https://emulator.invalid/bot/v1"
TOKEN = "001.0000000000.0000000000:1000000001"
LONGEST_SECONDS = 3600.0
EVENTS_PER_WORLD = 1_000_000
_worlds = itertools.count(1)


class Line:
    """One bot for one test. Every method is called in the thread that made it; `close` ends it.

    `routers`: instead of those of the project. Raises ConfigurationError.
    """

    def __init__(self, alias: str, routers: Sequence[Router] | None, behaviour: Mapping[str, Any]) -> None:
        self._dispatcher = dispatcher_of(discover_routers() if routers is None else routers, ObservedDispatcher)
        self._travelled = 0.0
        self.world = World(
            (),
            behaviour=Behaviour().changed(behaviour),
            first_event_id=next(_worlds) * EVENTS_PER_WORLD,
            clock=lambda: time.time() + self._travelled,
        )
        self.account = self.world.add_bot(TOKEN, first_name=alias.title(), nick=f"{alias}_bot")
        self.faults = Faults()
        self.home = HomeThread()
        self._loop = HurriedLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"bot {alias}", daemon=True)
        self._thread.start()
        self._alias = alias
        self._override(alias)
        self._session: Session
        self._store: ObservedStore
        self._committing: asyncio.Task[None]
        self._broken: BaseException | None = None
        self._settling: asyncio.Task[Any] | None = None
        try:
            self.run(self._open)
        except BaseException:
            self._end()
            raise

    def _override(self, alias: str) -> None:
        config = conf.bot(alias)
        policy = RatePolicy(rate=config.rate_limit, burst=config.burst, chat_rate=config.chat_rate_limit)
        transport = InProcess(EmulatorApp(self.world, self.faults), self._loop)
        bots.override(
            alias,
            token=TOKEN,
            api_url=API_URL,
            proxy=None,
            verify=True,
            limiter=HurriedLimiter(policy, self._loop),
            transport=transport,
            sync_transport=transport,
        )
        self.bot = bots[alias]
        self.bot.retry = HurriedRetries(retries=config.retries, loop=self._loop)

    @property
    def account_id(self) -> int:
        return self._store.account_id

    @property
    def store(self) -> BotStore:
        return self._store

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run in the bot's loop and serve it meanwhile. Raises RuntimeError after `close`."""
        if self._loop.is_closed():
            raise RuntimeError("this chat is closed")
        running = self.home.context.run(asyncio.run_coroutine_threadsafe, self._hurried(work), self._loop)
        try:
            with notify.suppressed():
                return self.home.serve_until(running, Committed().run)
        finally:
            wait_as_configured()

    def exchange(self, change: Callable[[], object]) -> list[AssertionError]:
        """Change the world, and let the bot do all that it has to. Returns what failed, in order."""

        async def work() -> bool:
            change()
            return await self._settle_in_time()

        settled = self.run(work)
        while settled and self._deliver_delayed():
            settled = self.run(self._settle_in_time)
        failures = self._take_failures()
        if not settled:
            minutes = LONGEST_SECONDS / 60
            waiting = self._session.lanes.size
            failures.append(NotSettled(f"after {minutes:g} minutes of its time the bot still works: {waiting} updates"))
        return failures

    def travel(self, seconds: float, models: Sequence[type[Model]]) -> None:
        """All that is stored becomes so much older, the clocks of the bot and its server move on, and it reacts."""
        self._travelled += seconds
        self._loop.advance(seconds)
        own = apps.get_app_config("vkteams_bot").get_models()
        for model in {*own, *models}:
            fields = [field.attname for field in model._meta.concrete_fields if isinstance(field, DateTimeField)]
            if fields:
                model._default_manager.update(**{name: F(name) - timedelta(seconds=seconds) for name in fields})

    def close(self) -> None:
        """Run the shutdown hooks and end; nothing the second time. Raises what they raise."""
        if self._loop.is_closed():
            return
        try:
            self.run(self._shut_down)
        finally:
            self._end()

    async def _hurried(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with self._loop.hurried():
            return await work()

    async def _open(self) -> None:
        database = HomeDatabase(self.home)
        info = await self.bot.execute(GetMe())
        self.bot.nick = info.nick
        account = await database.run(open_account, self._alias, info)
        self._store = ObservedStore(account, new_owner())
        if not await database.run(self._store.lease.take):
            raise RuntimeError(f"another process or test holds the lease of the bot {self._alias} in this database")
        self._session = Session(
            self.bot, self._dispatcher, self._store, HomeHandlers(), database, database, on_failure=self._fail
        )
        self._session.backlog.caught_up = True  # nobody else has left anything
        self.bot.sent_hook = KitSentLog(self.home, CommittedSentLog(self._session.committer, self._loop))
        self._committing = self._loop.create_task(self._session.committer.run(), name="committer")
        self._committing.add_done_callback(self._committer_ended)
        await run_hooks(self._dispatcher.startup_hooks, self.bot)

    def _fail(self, error: BaseException) -> None:
        self._broken = self._broken or error
        if self._settling is not None:
            self._settling.cancel()

    def _committer_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _settle_in_time(self) -> bool:
        self._settling = asyncio.current_task()
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._settle()
        except TimeoutError:
            return False
        except asyncio.CancelledError:
            if self._broken is None:
                raise
            raise self._broken from None
        return True

    async def _settle(self) -> None:
        session = self._session
        while True:
            while self.account.queue.pending:
                await self._take_waiting()
                await session.lanes.wait_idle()
            await session.lanes.wait_idle()
            await session.committer.flush()
            if not await session.backlog.look():
                return

    async def _take_waiting(self) -> None:
        failures = 0
        while True:
            try:
                await self._session.poller.take_waiting()
                return
            except InvalidToken:
                raise
            except CallError:
                failures += 1
                await asyncio.sleep(SERVER.pause(failures))

    def _deliver_delayed(self) -> bool:
        """What a worker would do now; whether it finished something."""
        if not self._store.something_waits:
            return False
        if self.account_id not in [account.id for account in due_accounts(timezone.now())]:
            return False
        calls = OutgoingCall.objects.filter(account=self.account_id)
        before = list(calls.waiting().values_list("pk", flat=True))
        with notify.suppressed():
            Deliverer(self.account_id).run(self.bot, bulk=True)
        for call in calls.filter(pk__in=before).in_status(OutgoingCall.Status.FAILED):
            self._store.refused.append(call.error)
        return calls.filter(pk__in=before).waiting().count() < len(before)

    def _take_failures(self) -> list[AssertionError]:
        failed, self._store.failed = self._store.failed, []
        refused, self._store.refused = self._store.refused, []
        errors, self._dispatcher.errors = self._dispatcher.errors, {}
        failures: list[AssertionError] = []
        for finished in failed:
            cause = errors.get(finished.handler or None)
            failure = HandlerFailed(_summary(finished.handler, cause, finished.error))
            failure.__cause__ = cause
            failures.append(failure)
        return failures + [CallRefused(error) for error in refused]

    async def _shut_down(self) -> None:
        await run_hooks(self._dispatcher.shutdown_hooks, self.bot)
        await self._session.lanes.stop(0)
        self._session.committer.close()
        await self._committing

    def _end(self) -> None:
        bots.restore(self._alias)
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.home.close()


def _summary(handler: str, cause: BaseException | None, traceback: str) -> str:
    if cause is None:
        return f"{handler or 'routing'} failed:\n{traceback}"
    return f"{handler or 'routing'} raised {type(cause).__name__}: {cause}"


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
