"""One update through its handler: route, commit, deliver. A handler is a transaction over its conversation."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import Error
from django.utils import timezone

from vkteams_bot.api import Bot
from vkteams_bot.api.methods import Method
from vkteams_bot.api.redaction import redact
from vkteams_bot.api.types import CallbackQuery, Event
from vkteams_bot.backoff import DATABASE
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import RoutingError
from vkteams_bot.fsm import FSMContext, StateRecord
from vkteams_bot.models import OutgoingCall, Update
from vkteams_bot.routing import Dispatched, Dispatcher, Status
from vkteams_bot.routing.run import Run
from vkteams_bot.runtime.bot_store import Changes, WaitingReply, out_of_use
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.runtime.lanes import Lane, QueuedUpdate, Work
from vkteams_bot.runtime.replies import ReplyDelivery
from vkteams_bot.runtime.slots import Slots
from vkteams_bot.stores.inbox import CRASHES_ALLOWED, Finished
from vkteams_bot.stores.lease import LeaseLost
from vkteams_bot.stores.outages import is_connection_refused, is_outage
from vkteams_bot.stores.outbox import ClaimedCall, NewCall
from vkteams_bot.stores.payloads import stored
from vkteams_bot.stores.threads import HandlerThreads
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.stores.wrong_database import NotMigrated
from vkteams_bot.worker.sender import InFlight

logger = logging.getLogger("vkteams_bot.runtime")

LONGEST_TRACEBACK = 20_000
STATUSES = {
    Status.HANDLED: Update.Status.DONE,
    Status.UNHANDLED: Update.Status.UNHANDLED,
    Status.FAILED: Update.Status.FAILED,
}


@dataclass(slots=True)
class Handled:
    """What a handler leaves: changes to be committed, the state after them, replies to be sent after that."""

    changes: Changes
    record: StateRecord
    replies: list[InFlight] = field(default_factory=list)
    is_head_claimed: bool = False
    """The first reply has its turn and is stored as being sent; the others are claimed as their turns come."""


@dataclass(slots=True, eq=False)
class Running:
    """A handler that runs: for which update, since when by time.monotonic(), and how far it is."""

    update: QueuedUpdate
    run: Run
    since: float
    given_up_at: float | None = None

    @property
    def name(self) -> str:
        """The handler, or what comes before one is found."""
        return self.run.handler.name if self.run.handler is not None else "filters or middleware"

    @property
    def is_long_by_intent(self) -> bool:
        """Its author has said how long it may take."""
        return self.run.handler is not None and self.run.handler.timeout is not ...

    def end_if_late(self, task: asyncio.Task[Any], now: float) -> None:
        """Give it up when it runs for longer than its flag `timeout`, or HANDLER_TIMEOUT, allows.

        So are error handlers that come after it, and whatever swallows the end.
        """
        own = self.run.handler.timeout if self.run.handler is not None else ...
        limit = conf.handler_timeout if own is ... else own
        began = self.since if self.given_up_at is None else self.given_up_at
        if limit is not None and now - began > limit:
            self.given_up_at = now
            self.run.give_up(task, limit)


class UpdateHandler:
    """What a lane does with its work."""

    def __init__(
        self, bot: Bot, dispatcher: Dispatcher, committer: Committer, delivery: ReplyDelivery, threads: HandlerThreads
    ) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._committer = committer
        self._delivery = delivery
        self._threads = threads
        self.slots = Slots(conf.concurrency)
        self.running: dict[Lane, Running] = {}
        """Handlers that run now, by their conversations."""
        self.refused: dict[int, str] = {}
        """Updates whose handlers get no connection to the database, and what it says."""
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Do not wait for connections any more: what did not get one runs at the next start."""
        self._stopping.set()

    async def __call__(self, lane: Lane, work: Work) -> None:
        """Raises LeaseLost when another process has taken over: then nothing of this was kept."""
        if isinstance(work, WaitingReply):
            await self._delivery.deliver(work.flight, due_at=work.due_at)
        else:
            await self._handle(lane, work)

    async def _handle(self, lane: Lane, update: QueuedUpdate) -> None:
        context = FSMContext(lane.key, lane.record)
        try:
            result = await self._route(lane, update, context)
        except asyncio.CancelledError:
            self._committer.add(Changes(put_back=[update.id]))
            raise
        except Error:  # no outage, and not of the handler: that this runs cannot be noted
            logger.exception("an update waits for the next start", extra={"update": update.id})
            return
        before = lane.record or StateRecord()
        try:
            handled = self._handled(update, result, context, before)
            await self._commit(handled)
        except (LeaseLost, NotMigrated):
            raise
        except Exception as error:  # what the handler left cannot be written, whatever it is: the handler failed
            logger.exception("the result of a handler cannot be stored", extra={"update": update.id})
            handled = Handled(Changes(finished=[self._failed(update, result.handler, error)]), before)
            try:
                await self._committer.commit(handled.changes)
            except Error:  # no outage: somebody holds a lock on its row, for example
                logger.exception("an update waits for the next start", extra={"update": update.id})
        lane.record = handled.record
        is_claimed = handled.is_head_claimed
        for reply in handled.replies:
            await self._delivery.deliver(reply, claimed=is_claimed)
            is_claimed = False

    async def _commit(self, handled: Handled) -> None:
        """Even when this is cancelled the changes are written; then their replies wait for the next start."""
        try:
            await self._committer.commit(handled.changes)
        except BaseException as error:
            if handled.is_head_claimed:
                self._delivery.give_back()
                if isinstance(error, asyncio.CancelledError):
                    self._committer.add(Changes(released=[handled.replies[0].call.id]))
            self._delivery.known.difference_update(reply.call.id for reply in handled.replies)
            raise

    async def _route(self, lane: Lane, update: QueuedUpdate, context: FSMContext) -> Dispatched:
        """Run the handler; again when it failed because the database went away, which is no fault of its own.

        While no connection can be had it has not begun its work there: that is waited for, and does not count.
        """
        interruptions = refusals = 0
        is_marked = not update.suspect
        while True:
            async with self.slots:
                if not is_marked:
                    await self._committer.commit(Changes(started=[update.id]))
                    is_marked = True
                with self._threads.assigned():
                    result = await self._run_handler(lane, update, context)
            if result.error is None or not is_outage(result.error):
                return result
            if is_connection_refused(result.error):
                refusals += 1
                context.rollback()
                await self._wait_for_connection(update, result.error, refusals)
                continue
            interruptions += 1
            if interruptions >= CRASHES_ALLOWED:
                return result
            logger.warning("a handler lost the database and will run again", extra={"update": update.id})
            context.rollback()
            self._threads.distrust()
            await self._committer.commit(Changes(started=[update.id]))  # returns when the database is back

    async def _run_handler(self, lane: Lane, update: QueuedUpdate, context: FSMContext) -> Dispatched:
        run = self._dispatcher.new_run()
        self.running[lane] = Running(update, run, time.monotonic())
        try:
            return await self._dispatcher.dispatch(update.event, self._bot, context, run)
        finally:
            del self.running[lane]
            run.withdraw(lane.task)  # a handler may have swallowed it

    async def _wait_for_connection(self, update: QueuedUpdate, error: BaseException, refusals: int) -> None:
        """Raises CancelledError when the bot stops meanwhile."""
        self.refused[update.id] = str(error).strip().partition("\n")[0]
        try:
            async with asyncio.timeout(DATABASE.pause(refusals)):
                await self._stopping.wait()
            raise asyncio.CancelledError
        except TimeoutError:
            return
        finally:
            del self.refused[update.id]

    def _handled(self, update: QueuedUpdate, result: Dispatched, context: FSMContext, record: StateRecord) -> Handled:
        """Raises whatever makes the state or a reply impossible to store; then nothing was reserved."""
        changes = Changes()
        if context.changed:
            changed = self._with_expiry(context.record())
            changes.states[context.key] = changed
            record = StateRecord(changed.state, changed.data, changed.version + 1, changed.expires_at)
        if result.error is not None:
            changes.finished.append(self._failed(update, result.handler, result.error))
        else:
            changes.finished.append(Finished(update.id, STATUSES[result.status], result.handler or ""))
        methods = replies_to(update.event, result)
        if not methods:
            return Handled(changes, record)
        rows = [(method, stored(method, self._bot.parse_mode)) for method in methods]
        is_head_claimed = self._delivery.reserve(methods[0].chat)
        handled = Handled(changes, record, is_head_claimed=is_head_claimed)
        for method, params in rows:
            is_claimed = is_head_claimed and not handled.replies
            handled.replies.append(self._reply(update, method, params, changes, is_claimed))
        return handled

    def _reply(
        self, update: QueuedUpdate, method: Method[Any], params: dict[str, Any], changes: Changes, claimed: bool
    ) -> InFlight:
        new = NewCall(
            id=uuid7(),
            method=method.path,
            chat_id=method.chat or "",
            params=params,
            origin=OutgoingCall.Origin.REPLY,
            update_id=update.id,
            claimed=claimed,
        )
        changes.calls.append(new)
        self._delivery.known.add(new.id)
        return InFlight(ClaimedCall(id=new.id, method=new.method, chat_id=new.chat_id, origin=new.origin), method)

    def _with_expiry(self, record: StateRecord) -> StateRecord:
        _check_json(record.data)
        empty = record.state is None and not record.data
        seconds = conf.fsm_timeout
        expires = None if seconds is None or empty else timezone.now() + timedelta(seconds=seconds)
        return StateRecord(record.state, record.data, record.version, expires)

    def _failed(self, update: QueuedUpdate, handler: str | None, error: BaseException) -> Finished:
        logger.error(
            "update %s failed in %s: %s",
            update.event.event_id,
            handler or "routing",
            type(error).__name__,
            extra={"update": update.id},
        )
        text = redact("".join(traceback.format_exception(error)))[-LONGEST_TRACEBACK:]
        return Finished(update.id, Update.Status.FAILED, handler or "", text)


def replies_to(event: Event, result: Dispatched) -> Sequence[Method[Any]]:
    """The replies of the handlers; for a press that none took, that its button is out of use.

    Silence would leave the button spinning. A press that a handler took is left to it: whether it answered, or will
    later, cannot be known here.
    """
    if result.status is Status.UNHANDLED and isinstance(event.payload, CallbackQuery):
        return (out_of_use(event.payload.query_id),)
    return result.replies


def _check_json(data: Any) -> None:
    try:
        json.dumps(data, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RoutingError(f"state data must be JSON (text, numbers, lists, dicts): {error}") from error
