"""Sending replies, one by one in their conversations: each once, or standing as unknown."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import Error
from django.utils import timezone

from vkteams_bot.api import Bot
from vkteams_bot.api.retry import RetryStrategy
from vkteams_bot.limits import wait_turn
from vkteams_bot.models import OutgoingCall
from vkteams_bot.runtime.bot_store import Changes
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.stores.outbox import Result
from vkteams_bot.worker.results import result_of
from vkteams_bot.worker.sender import Completed, InFlight, send

logger = logging.getLogger("vkteams_bot.runtime")
Status = OutgoingCall.Status


class ReplyDelivery:
    """Sends replies by the engine of all who send (sender, outcomes, retry strategy), recorded by grouped commits."""

    def __init__(self, bot: Bot, committer: Committer, *, strategy: RetryStrategy, claim_seconds: float) -> None:
        self._bot = bot
        self._committer = committer
        self._strategy = strategy
        self._claim_seconds = claim_seconds
        self._stopping = asyncio.Event()
        self._sending: set[UUID] = set()
        self.known: set[UUID] = set()
        """Rows that this process sees to."""
        self.waiting_turn: set[UUID] = set()
        """Those that wait for their turn under the rate limit."""
        self.repeated: dict[UUID, str] = {}
        """Those that wait to be tried again, and why."""

    def stop(self) -> None:
        """Do not repeat; what never left stays in the outbox for the next start."""
        self._stopping.set()

    def reserve(self, chat_id: str | None) -> bool:
        """Take a turn for a reply that is to leave at once; else it waits for its turn as a row."""
        return not self._stopping.is_set() and self._bot.limiter.try_take(chat_id)

    def give_back(self) -> None:
        """A reserved turn is not used after all."""
        self._bot.limiter.give_back(1)

    async def keep_claims(self) -> None:
        """For ever: a reply that takes long (an upload, a slow server) stays ours."""
        while True:
            await asyncio.sleep(self._claim_seconds / 3)
            if self._sending:
                self._committer.add(Changes(renewed=list(self._sending)))

    async def deliver(self, flight: InFlight, *, claimed: bool = False, due_at: datetime | None = None) -> None:
        """Send until the outcome is final, or until it must wait for the next start. Raises LeaseLost."""
        call_id = flight.call.id
        self.known.add(call_id)
        failures = 0
        try:
            while True:
                if due_at is not None and await self._stopped_before(due_at):
                    return
                if not claimed:
                    try:
                        if not await self._claim(flight):
                            return
                    except Error:  # no outage: a statement timeout of the project's, or a lock that is held
                        failures += 1
                        pause = self._strategy.backoff.pause(failures)
                        logger.exception(
                            "a reply could not be claimed and is tried again", extra={"call": str(call_id)}
                        )
                        due_at = timezone.now() + timedelta(seconds=pause)
                        continue
                result = await self._attempt(flight)
                if result.status != Status.QUEUED:
                    return
                claimed, due_at = False, result.due_at
                self.repeated[call_id] = result.error
                call = replace(flight.call, attempts=result.attempts, retry_until=result.retry_until)
                flight = replace(flight, call=call)
        finally:
            self.known.discard(call_id)
            self.repeated.pop(call_id, None)

    async def _claim(self, flight: InFlight) -> bool:
        """Wait for a turn, then claim the row; False when it was dropped or we are stopping."""
        await self._turn(flight)
        if self._stopping.is_set():
            return False
        try:
            claimed = await self._committer.commit(Changes(claims=[flight.call.id]))
        except BaseException as error:
            self.give_back()
            if isinstance(error, asyncio.CancelledError):
                self._committer.add(Changes(released=[flight.call.id]))
            raise
        if flight.call.id in claimed:
            return True
        self.give_back()
        return False

    async def _turn(self, flight: InFlight) -> None:
        """Wait for the next turn, or until we are stopping."""
        turn = asyncio.create_task(wait_turn(self._bot.limiter, flight.method.chat), name="turn")
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        self.waiting_turn.add(flight.call.id)
        try:
            await asyncio.wait((turn, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.waiting_turn.discard(flight.call.id)
            turn.cancel()
            stopping.cancel()

    async def _attempt(self, flight: InFlight) -> Result:
        results: list[Result] = []

        def completed(answer: Completed) -> None:
            result = result_of(flight.call, answer.outcome, self._strategy, timezone.now())
            self._committer.add(Changes(recorded=[(answer, result)]))
            results.append(result)

        self._sending.add(flight.call.id)
        try:
            await send(self._bot, flight, completed)
        finally:
            self._sending.discard(flight.call.id)
        [result] = results
        if result.status != Status.SENT:
            self._log(result)
        return result

    def _log(self, result: Result) -> None:
        extra = {"call": str(result.id), "bot": self._bot.alias}
        if result.status == Status.QUEUED:
            if result.attempts == 1 or result.attempts % 10 == 0:
                logger.warning("a reply waits, attempt %d: %s", result.attempts, result.error, extra=extra)
        elif result.status == Status.UNKNOWN:
            logger.warning("the outcome of a reply is unknown: %s", result.error, extra=extra)
        elif result.status == Status.FAILED:
            logger.warning("a reply was refused: %s", result.error, extra=extra)

    async def _stopped_before(self, moment: datetime) -> bool:
        try:
            async with asyncio.timeout((moment - timezone.now()).total_seconds()):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True
