"""Sending stored calls: each once, or standing as unknown."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from vkteams_bot.api import Bot
from vkteams_bot.api.redaction import redact
from vkteams_bot.api.retry import Backoff
from vkteams_bot.api.types import SentMessage
from vkteams_bot.exceptions import CallError, InvalidCall, NotSent, OutcomeUnknown, RateLimited
from vkteams_bot.limits import wait_turn
from vkteams_bot.models import OutgoingCall
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.stores.bot_store import Changes
from vkteams_bot.stores.outbox import CallOutcome, StoredCall

logger = logging.getLogger("vkteams_bot.runtime")
Status = OutgoingCall.Status

BACKOFF = Backoff(first=0.5, longest=15.0)
CUT_SHORT = "The bot was stopped before the answer came."


class Delivery:
    """Sends rows of the outbox and records what became of them."""

    def __init__(self, bot: Bot, committer: Committer, *, resend_unknown: bool) -> None:
        self._bot = bot
        self._committer = committer
        self._resend_unknown = resend_unknown
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.known: set[UUID] = set()
        """Rows that this process sees to; the sweep leaves them alone."""

    def stop(self) -> None:
        """Do not repeat; what never left stays in the outbox for the next start."""
        self._stopping.set()

    def reserve(self, call: StoredCall) -> Status:
        """The status to store a new call with: claimed, if its turn is now; else waiting."""
        self.known.add(call.id)
        free = not self._stopping.is_set() and self._bot.limiter.try_take(call.method.chat)
        return Status.SENDING if free else Status.QUEUED

    async def deliver(self, call: StoredCall, *, claimed: bool) -> None:
        """Send until the outcome is known, or until it must be left to an operator. Raises LeaseLost."""
        failures = 0
        while True:
            if not claimed and not await self._claim(call):
                return
            outcome = await self._attempt(call)
            if outcome.status != Status.QUEUED:
                self._committer.add(Changes(outcomes=[outcome]))
                self.known.discard(call.id)
                return
            failures += 1
            await self._committer.commit(Changes(outcomes=[outcome]))
            claimed = False
            if failures == 1 or failures % 10 == 0:
                logger.warning("a reply waits, attempt %d: %s", failures, outcome.error, extra={"call": str(call.id)})
            if await self._stopped_within(BACKOFF.pause(failures)):
                self.known.discard(call.id)
                return

    async def deliver_all(self, calls: Iterable[StoredCall]) -> None:
        """Send waiting calls: in order within a chat, chats side by side. When cancelled it goes on: see `finish`."""
        task = asyncio.create_task(self._deliver_all(calls), name="waiting calls")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def finish(self, seconds: float) -> None:
        """After `stop`: let what `deliver_all` is sending be answered for at most `seconds`, then cut it short."""
        tasks = set(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver_all(self, calls: Iterable[StoredCall]) -> None:
        chats: dict[str | None, list[StoredCall]] = defaultdict(list)
        for call in calls:
            self.known.add(call.id)
            chats[call.method.chat].append(call)
        async with asyncio.TaskGroup() as group:
            for queue in chats.values():
                group.create_task(self._deliver_queue(queue), name="waiting calls of a chat")

    async def _deliver_queue(self, queue: list[StoredCall]) -> None:
        for call in queue:
            await self.deliver(call, claimed=False)

    async def _claim(self, call: StoredCall) -> bool:
        """Wait for a turn, then claim the row; False when it was dropped or we are stopping."""
        await self._turn(call)
        try:
            free = not self._stopping.is_set() and call.id in await self._committer.commit(Changes(claims=[call.id]))
        except asyncio.CancelledError:
            self._committer.add(Changes(unclaimed=[call.id]))
            raise
        if not free:
            self.known.discard(call.id)
        return free

    async def _turn(self, call: StoredCall) -> None:
        """Wait for the next turn, or until we are stopping."""
        turn = asyncio.create_task(wait_turn(self._bot.limiter, call.method.chat), name="turn")
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        try:
            await asyncio.wait((turn, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            turn.cancel()
            stopping.cancel()

    async def _attempt(self, call: StoredCall) -> CallOutcome:
        try:
            result = await self._bot.execute(call.method, charged=False, retries=0, request_id=call.id.hex)
        except asyncio.CancelledError:
            self._committer.add(Changes(outcomes=[CallOutcome(call.id, Status.UNKNOWN, CUT_SHORT)]))
            raise
        except (NotSent, RateLimited) as error:
            return CallOutcome(call.id, Status.QUEUED, str(error))
        except OutcomeUnknown as error:
            if self._resend_unknown or call.method.safe_to_repeat:
                return CallOutcome(call.id, Status.QUEUED, str(error))
            logger.warning("the outcome of a reply is unknown: %s", error, extra={"call": str(call.id)})
            return CallOutcome(call.id, Status.UNKNOWN, str(error))
        except (CallError, InvalidCall) as error:
            logger.warning("a reply was refused: %s", error, extra={"call": str(call.id)})
            return CallOutcome(call.id, Status.FAILED, str(error))
        except Exception as error:
            logger.exception("a reply could not be sent", extra={"call": str(call.id)})
            return CallOutcome(call.id, Status.FAILED, redact(f"{type(error).__name__}: {error}"))
        return CallOutcome(call.id, Status.SENT, msg_id=result.msg_id if isinstance(result, SentMessage) else "")

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True
