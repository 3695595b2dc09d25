"""One update through its handler: route, commit, deliver. A handler is a transaction over its conversation."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections import deque
from datetime import timedelta
from typing import Any

from django.utils import timezone

from vkteams_bot.api import Bot
from vkteams_bot.api.methods import Method
from vkteams_bot.api.redaction import redact
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import RoutingError
from vkteams_bot.fsm import FSMContext, StateRecord
from vkteams_bot.models import Update
from vkteams_bot.routing import Dispatched, Dispatcher, Status
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.runtime.default_answer import replies_to
from vkteams_bot.runtime.delivery import Delivery
from vkteams_bot.runtime.lanes import Lane, QueuedUpdate
from vkteams_bot.runtime.slots import Slots
from vkteams_bot.stores import outbox
from vkteams_bot.stores.bot_store import Changes
from vkteams_bot.stores.inbox import CRASHES_ALLOWED, Finished
from vkteams_bot.stores.lease import LeaseLost
from vkteams_bot.stores.outbox import NewCall, StoredCall
from vkteams_bot.stores.threads import HandlerThreads, is_connection_loss
from vkteams_bot.stores.uuid7 import uuid7

logger = logging.getLogger("vkteams_bot.runtime")

LONGEST_TRACEBACK = 20_000
STATUSES = {
    Status.HANDLED: Update.Status.DONE,
    Status.UNHANDLED: Update.Status.UNHANDLED,
    Status.FAILED: Update.Status.FAILED,
}


class UpdateHandler:
    """What a lane does with each of its updates."""

    def __init__(
        self, bot: Bot, dispatcher: Dispatcher, committer: Committer, delivery: Delivery, threads: HandlerThreads
    ) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._committer = committer
        self._delivery = delivery
        self._threads = threads
        self._slots = Slots(conf.concurrency)

    async def __call__(self, lane: Lane, update: QueuedUpdate) -> None:
        """Raises LeaseLost when another process has taken over: then nothing of this was kept."""
        context = FSMContext(lane.key, lane.record)
        try:
            if update.suspect:
                await self._committer.commit(Changes(started=[update.id]))
            result = await self._route(update, context)
        except asyncio.CancelledError:
            self._committer.add(Changes(put_back=[update.id]))
            raise
        changes = Changes()
        try:
            changes, record = self._changes(lane, update, result, context)
            await self._commit(changes)
        except LeaseLost:
            raise
        except Exception as error:  # what the handler left cannot be written: the handler failed
            logger.exception("the result of a handler cannot be stored", extra={"update": update.id})
            changes, record = (
                Changes(finished=[self._failed(update, result.handler, error)]),
                lane.record or StateRecord(),
            )
            await self._committer.commit(changes)
        lane.record = record
        await self._deliver(changes)

    async def _commit(self, changes: Changes) -> None:
        """Even when this is cancelled the changes are written; then their replies wait for the next start."""
        try:
            await self._committer.commit(changes)
        except asyncio.CancelledError:
            self._committer.add(Changes(unclaimed=[new.call.id for new in changes.calls]))
            raise

    async def _deliver(self, changes: Changes) -> None:
        replies = deque(changes.calls)
        try:
            while replies:
                new = replies.popleft()
                await self._delivery.deliver(new.call, claimed=new.status == outbox.Status.SENDING)
        except asyncio.CancelledError:
            self._committer.add(Changes(unclaimed=[new.call.id for new in replies]))
            raise

    async def _route(self, update: QueuedUpdate, context: FSMContext) -> Dispatched:
        """Run the handler; again when it failed because the database went away, which is no fault of its own."""
        interruptions = 0
        while True:
            async with self._slots:
                with self._threads.assigned():
                    result = await self._dispatcher.dispatch(update.event, self._bot, context)
            if result.error is None or not is_connection_loss(result.error):
                return result
            interruptions += 1
            if interruptions >= CRASHES_ALLOWED:
                return result
            logger.warning("a handler lost the database and will run again", extra={"update": update.id})
            context.rollback()
            self._threads.distrust()
            await self._committer.commit(Changes(started=[update.id]))  # returns when the database is back

    def _changes(
        self, lane: Lane, update: QueuedUpdate, result: Dispatched, context: FSMContext
    ) -> tuple[Changes, StateRecord]:
        changes = Changes()
        record = lane.record or StateRecord()
        if context.changed:
            record = self._with_expiry(context.record())
            changes.states[context.key] = record
            record = StateRecord(record.state, record.data, record.version + 1, record.expires_at)
        for method in replies_to(update.event, result):
            changes.calls.append(self._new_call(update, method))
        if result.error is not None:
            changes.finished.append(self._failed(update, result.handler, result.error))
        else:
            changes.finished.append(Finished(update.id, STATUSES[result.status], result.handler or ""))
        return changes, record

    def _new_call(self, update: QueuedUpdate, method: Method[Any]) -> NewCall:
        call = StoredCall(uuid7(), method, update.id)
        params = outbox.storable(method, self._bot.parse_mode)
        return NewCall(call, params, self._delivery.reserve(call))

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


def _check_json(data: Any) -> None:
    try:
        json.dumps(data, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RoutingError(f"state data must be JSON (text, numbers, lists, dicts): {error}") from error
