"""One transaction of a delivery: what came back is written, and what goes next is claimed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from vkteams_bot.api import Bot
from vkteams_bot.api.types import SentMessage
from vkteams_bot.broadcasts import sending
from vkteams_bot.broadcasts.lifecycle import reopen
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import CallError
from vkteams_bot.limits import Priority, Share
from vkteams_bot.models import OutgoingCall
from vkteams_bot.stores import claims, log, results
from vkteams_bot.stores.chat_directory import ChatDirectory
from vkteams_bot.stores.claims import Claim, Source
from vkteams_bot.stores.outbox import restored
from vkteams_bot.stores.results import Result
from vkteams_bot.stores.threads import is_connection_loss
from vkteams_bot.worker.outcomes import outcome_of, unreachable
from vkteams_bot.worker.selection import ThrottledChats, pick
from vkteams_bot.worker.sender import Completed, InFlight

logger = logging.getLogger("vkteams_bot.worker")
Status = OutgoingCall.Status

LEASE_SECONDS = 30.0
"""A claim that is not renewed for so long is given up as unknown: see `sweep`."""
MOST_BROADCASTS = 20
"""In one batch; the others have their turn as these come to their ends."""
UNREADABLE = "This row cannot be sent: {error!r}"


@dataclass(slots=True)
class Batch:
    """What one transaction gave. `wait`: seconds until more may be claimed; None when nothing more is due."""

    flights: list[InFlight] = field(default_factory=list)
    flying: list[InFlight] = field(default_factory=list)
    wait: float | None = None


class Batches:
    """The transactions of one run."""

    def __init__(self, account_id: int, bot: Bot) -> None:
        self._account_id = account_id
        self._bot = bot
        self._directory = ChatDirectory(account_id)
        self._resting = ThrottledChats()
        self._doubtful: list[Claim] = []
        self.progressed: set[int | None] = set()
        """Broadcasts (None: delayed calls) with results that nobody was told of."""

    def are_alone(self) -> bool:
        """No row of this account is on its way: the last to end a run hands on, whoever else ended just before."""
        return not OutgoingCall.objects.of_worker(self._account_id).sending().exists()

    def write(self, completed: Sequence[Completed], flying: Sequence[InFlight], *, room: int, bulk: bool) -> Batch:
        """Write what came back, renew the claims of what flies, claim at most `room` more.

        A chat log that cannot be written costs no result.
        """
        try:
            return self._write(completed, flying, room, bulk)
        except Exception as error:
            if is_connection_loss(error) or not completed:
                raise
            self._directory.forget()  # a chat or contact was deleted by hand
        try:
            return self._write(completed, flying, room, bulk)
        except Exception as error:
            if is_connection_loss(error):
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
        batch = Batch(flying=list(flying))
        stale = [flight for flight in flying if flight.claim.until < now + timedelta(seconds=LEASE_SECONDS * 2 / 3)]
        if not (completed or room or stale or self._doubtful):
            return batch
        with transaction.atomic():
            if room:
                claims.lock(self._account_id)
            if self._doubtful:
                results.unclaim(self._doubtful)
            if completed:
                self._record(completed, now, with_log=with_log)
            if stale:
                batch.flying = self._renew(flying, now)
            if room:
                self._claim(batch, room, bulk, now)
        self._doubtful = []
        self.progressed.update(item.flight.claim.broadcast_id for item in completed)
        return batch

    def _record(self, completed: Sequence[Completed], now: datetime, *, with_log: bool) -> None:
        resend = conf.on_unknown == "resend"
        with_log = with_log and conf.log_messages
        shared: dict[tuple[int, type], bool] = {}
        written: list[Result] = []
        lines: list[log.Entry] = []
        gone: dict[str, str] = {}
        for item in completed:
            flight, claim = item.flight, item.flight.claim
            result = outcome_of(item, now, resend_unknown=resend)
            if result.status == Status.SENT:
                if with_log and flight.method.logged:
                    lines += log.outgoing(flight.method, item.result, now)
                if flight.alone and isinstance(item.result, SentMessage) and item.result.file_id:
                    sending.uploaded(claim.broadcast_id or 0, item.result.file_id)
            elif claim.broadcast_id is not None and isinstance(item.error, CallError):
                kind = (claim.broadcast_id, type(item.error))
                if kind not in shared:
                    shared[kind] = sending.refused(claim.broadcast_id, item.error)
                if shared[kind]:  # nobody's fault: the broadcast waits, and this row with it
                    result = replace(result, status=Status.QUEUED, due_at=None, counts=False)
            if reason := unreachable(item):
                gone[claim.chat_id] = reason
            written.append(result)
        # A result may come so late that it was given up as unknown, and the broadcast is finished without it.
        waiting = (item.claim.broadcast_id for item in written if item.status == Status.QUEUED)
        if put_back := {broadcast_id for broadcast_id in waiting if broadcast_id is not None}:
            reopen(put_back)
        results.record(written, now)
        if gone:
            results.mark_unreachable(self._account_id, gone, now)
        if lines:
            log.write(lines, self._directory, now)

    def _renew(self, flying: Sequence[InFlight], now: datetime) -> list[InFlight]:
        until = now + timedelta(seconds=LEASE_SECONDS)
        results.renew([flight.claim for flight in flying], until)
        return [replace(flight, claim=replace(flight.claim, until=until)) for flight in flying]

    def _claim(self, batch: Batch, room: int, bulk: bool, now: datetime) -> None:
        broadcasts = (
            {item.id: item for item in sending.sendable(self._account_id, now)[:MOST_BROADCASTS]} if bulk else {}
        )
        found = claims.candidates(
            self._account_id,
            now,
            room=room,
            priorities=tuple(Priority) if bulk else (Priority.REPLY, Priority.NOTIFICATION),
            sources=[Source(item.id, item.alone) for item in broadcasts.values()],
            throttled=self._resting.now(),
        )
        shares = {item.id: Share(f"broadcast {item.id}", item.share) for item in broadcasts.values()}
        selected = pick(found, room, self._bot.limiter, shares, self._resting)
        taken = claims.take(selected.chosen, now + timedelta(seconds=LEASE_SECONDS))
        self._doubtful = [*self._doubtful, *taken]
        batch.wait = selected.wait if selected.wait is not None else self._resting.seconds
        batch.flights, unsendable = self._flights_of(taken, {key for key, item in broadcasts.items() if item.alone})
        if unsendable:
            results.record(unsendable, now)
            batch.wait = 0.0

    def _flights_of(self, taken: Sequence[Claim], alone: set[int]) -> tuple[list[InFlight], list[Result]]:
        """Methods for rows. A row that cannot be read fails, others go on."""
        recipients = [
            sending.Recipient(claim.id, claim.broadcast_id, claim.chat_id, claim.params)
            for claim in taken
            if claim.broadcast_id is not None
        ]
        of_broadcasts = sending.methods_for(recipients) if recipients else {}
        flights: list[InFlight] = []
        unsendable: list[Result] = []
        for claim in taken:
            try:
                method = of_broadcasts[claim.id] if claim.broadcast_id else restored(claim.method, claim.params)
            except (KeyError, ValueError, AttributeError, TypeError, IndexError) as error:
                method = UNREADABLE.format(error=error)
            if method is None:
                unsendable.append(Result(claim=claim, status=Status.QUEUED, counts=False))
            elif isinstance(method, str):
                unsendable.append(Result(claim=claim, status=Status.FAILED, error=method))
            else:
                flights.append(InFlight(claim, method, alone=claim.broadcast_id in alone))
        return flights, unsendable
