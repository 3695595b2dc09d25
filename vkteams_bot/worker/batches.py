"""One transaction of a delivery: what came back is written, and what goes next is claimed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from vkteams_bot.api import Bot
from vkteams_bot.api.retry import RetryStrategy
from vkteams_bot.broadcasts import sending
from vkteams_bot.limits import Priority, Share
from vkteams_bot.models import OutgoingCall
from vkteams_bot.stores import candidates, outbox
from vkteams_bot.stores.candidates import Candidate, Source
from vkteams_bot.stores.outages import is_outage
from vkteams_bot.stores.outbox import ClaimedCall, Result
from vkteams_bot.stores.payloads import UnreadableRow, restored
from vkteams_bot.worker.recorder import Recorder
from vkteams_bot.worker.results import result_of
from vkteams_bot.worker.selection import ThrottledChats, select
from vkteams_bot.worker.sender import Completed, InFlight

logger = logging.getLogger("vkteams_bot.worker")
Status = OutgoingCall.Status

MOST_BROADCASTS = 20
"""In one batch; the others have their turn as these come to their ends."""


@dataclass(slots=True)
class Batch:
    """What one transaction gave. `wait`: seconds until more may be claimed; None when nothing more is due."""

    flights: list[InFlight] = field(default_factory=list)
    wait: float | None = None


class Batches:
    """The transactions of one run. `by` names the holder of its claims, which last `claim_seconds` unless renewed."""

    def __init__(self, account_id: int, bot: Bot, *, by: str, strategy: RetryStrategy, claim_seconds: float) -> None:
        self.alias = bot.alias
        self._account_id = account_id
        self._bot = bot
        self._by = by
        self._strategy = strategy
        self._claim_seconds = claim_seconds
        self._recorder = Recorder(account_id)
        self._throttled = ThrottledChats()
        self._renewed_at = time.monotonic()
        self._is_doubtful = True
        """Rows may be claimed for us that we do not know of: a commit was not answered."""
        self._unrecorded: set[UUID] = set()
        """Rows that were sent, and whose results nobody can write: their claims end, and they are unknown."""
        self.progressed: set[int | None] = set()
        """Broadcasts (None: delayed calls) with results that nobody was told of."""

    def are_alone(self) -> bool:
        """No row of this account is on its way: the last to end a run hands on, whoever else ended just before."""
        return not OutgoingCall.objects.notifications(self._account_id).sending().exists()

    def give_up(self, completed: Sequence[Completed]) -> None:
        """These cannot be written, whatever is tried: they are not claimed anew, nor sent again."""
        self._unrecorded.update(item.flight.call.id for item in completed)

    def write(self, completed: Sequence[Completed], flying: Sequence[InFlight], *, room: int, bulk: bool) -> Batch:
        """Write what came back, keep the claims of what flies, claim at most `room` more.

        A chat log that cannot be written costs no result.
        """
        try:
            return self._write(completed, flying, room, bulk)
        except Exception as error:  # whatever it is, it may lie in the log alone
            self._is_doubtful = True
            if is_outage(error) or not completed:
                raise
            self._recorder.forget()
        try:
            return self._write(completed, flying, room, bulk)
        except Exception as error:
            if is_outage(error):
                raise
            logger.exception("messages were sent but could not be logged")
            return self._write(completed, flying, room, bulk, with_log=False)

    def _write(
        self,
        completed: Sequence[Completed],
        flying: Sequence[InFlight],
        room: int,
        bulk: bool,
        *,
        with_log: bool = True,
    ) -> Batch:
        now = timezone.now()
        batch = Batch()
        is_stale = bool(flying) and time.monotonic() - self._renewed_at > self._claim_seconds / 3
        if not (completed or room or is_stale):
            return batch
        with transaction.atomic():
            if room:
                candidates.lock(self._account_id)
            if completed:
                recorded = [
                    (item, result_of(item.flight.call, item.outcome, self._strategy, now)) for item in completed
                ]
                self._recorder.write(recorded, self._by, now, with_log=with_log)
            if self._is_doubtful:
                kept = {flight.call.id for flight in flying} | self._unrecorded
                outbox.release(self._account_id, self._by, keep=kept)
            if is_stale:
                outbox.renew([flight.call.id for flight in flying], self._by, self._claim_seconds)
            if room:
                self._claim(batch, room, bulk, now)
        self._is_doubtful = False
        if is_stale:
            self._renewed_at = time.monotonic()
        self.progressed.update(item.flight.call.broadcast_id for item in completed)
        return batch

    def _claim(self, batch: Batch, room: int, bulk: bool, now: datetime) -> None:
        broadcasts = (
            {item.id: item for item in sending.sendable(self._account_id, now)[:MOST_BROADCASTS]} if bulk else {}
        )
        due = candidates.candidates(
            self._account_id,
            now,
            room=room,
            priorities=tuple(Priority) if bulk else (Priority.REPLY, Priority.NOTIFICATION),
            sources=[Source(item.id, item.alone) for item in broadcasts.values()],
            throttled=self._throttled.now(),
        )
        shares = {item.id: Share(f"broadcast {item.id}", item.share) for item in broadcasts.values()}
        selection = select(due, room, self._bot.limiter, shares, self._throttled)
        claims = outbox.claim([row.id for row in selection.chosen], self._by, self._claim_seconds)
        self._unrecorded.difference_update(call.id for call in claims)
        batch.wait = selection.wait if selection.wait is not None else self._throttled.seconds
        batch.flights, unsendable = self._flights_of(claims, {key for key, item in broadcasts.items() if item.alone})
        self._give_back(selection.chosen, batch.flights, shares)
        if unsendable:
            outbox.record(unsendable, self._by, now)
            batch.wait = 0.0

    def _give_back(self, chosen: Sequence[Candidate], flights: Sequence[InFlight], shares: Mapping[int, Share]) -> None:
        """The turns of rows that somebody else changed meanwhile, or that cannot be sent."""
        leaving = {flight.call.id for flight in flights}
        for row in chosen:
            if row.id not in leaving:
                self._bot.limiter.give_back(1, shares.get(row.broadcast_id or 0))

    def _flights_of(self, claims: Sequence[ClaimedCall], alone: set[int]) -> tuple[list[InFlight], list[Result]]:
        """Methods for rows. A row that cannot be read fails, others go on."""
        recipients = [
            sending.Recipient(call.id, call.broadcast_id, call.chat_id, call.params)
            for call in claims
            if call.broadcast_id is not None
        ]
        of_broadcasts = sending.methods_for(recipients) if recipients else {}
        flights: list[InFlight] = []
        unsendable: list[Result] = []
        for call in claims:
            try:
                method = of_broadcasts[call.id] if call.broadcast_id else restored(call.method, call.params)
            except UnreadableRow as error:
                method = str(error)
            if method is None:
                unsendable.append(Result(id=call.id, status=Status.QUEUED, attempts=call.attempts))
            elif isinstance(method, str):
                unsendable.append(Result(id=call.id, status=Status.FAILED, attempts=call.attempts, error=method))
            else:
                flights.append(InFlight(call, method, alone=call.broadcast_id in alone))
        return flights, unsendable
