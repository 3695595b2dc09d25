"""All that one bot's process reads and writes, each call one transaction. Synchronous: see stores/threads.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Value
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from vkteams_bot.api.methods import AnswerCallbackQuery
from vkteams_bot.api.types import Event
from vkteams_bot.conf import conf
from vkteams_bot.fsm import StateKey, StateRecord, Storage
from vkteams_bot.models import BotAccount, OutgoingCall
from vkteams_bot.stores import inbox, log, numbering, outbox
from vkteams_bot.stores.chat_directory import ChatDirectory
from vkteams_bot.stores.inbox import Finished, Incoming, StoredUpdate
from vkteams_bot.stores.lease import Lease
from vkteams_bot.stores.numbering import Review
from vkteams_bot.stores.outbox import ClaimedCall, NewCall, Result
from vkteams_bot.stores.payloads import UnreadableRow, restored, stored
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.worker.recorder import Recorded, Recorder
from vkteams_bot.worker.results import retry_strategy
from vkteams_bot.worker.sender import InFlight

LONGEST_QUERY_ID = 255


class StorageFactory(Protocol):
    def __call__(self, account_id: int, alias: str) -> Storage: ...


@dataclass(slots=True)
class Changes:
    """What finished handlers and answered requests leave to be written together."""

    started: list[int] = field(default_factory=list)
    put_back: list[int] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    states: dict[StateKey, StateRecord] = field(default_factory=dict)
    calls: list[NewCall] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    claims: list[UUID] = field(default_factory=list)
    released: list[UUID] = field(default_factory=list)
    renewed: list[UUID] = field(default_factory=list)
    log: list[log.Entry] = field(default_factory=list)

    def add(self, other: Changes) -> None:
        self.started += other.started
        self.put_back += other.put_back
        self.finished += other.finished
        self.states.update(other.states)
        self.calls += other.calls
        self.recorded += other.recorded
        self.claims += other.claims
        self.released += other.released
        self.renewed += other.renewed
        self.log += other.log


@dataclass(frozen=True, slots=True)
class Ingested:
    """Row ids of the updates that were new, by event number, and the states of the conversations asked for."""

    ids: dict[int, int]
    states: dict[StateKey, StateRecord]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a start met: updates given up because they kill the process, sends whose outcome nobody knows."""

    failed: int
    unknown: int


@dataclass(frozen=True, slots=True)
class WaitingReply:
    """A reply that waits in the database, with the conversation of the update that it answers."""

    flight: InFlight
    key: StateKey
    due_at: datetime | None


def out_of_use(query_id: str) -> AnswerCallbackQuery:
    """What ends the spinning of a button that nobody handles."""
    return AnswerCallbackQuery(query_id, text=gettext("This button is no longer in use."))


def _answer_to_unreadable(event: Event, ids: Mapping[int, int]) -> NewCall | None:
    """Of a press that cannot be read, but can be answered."""
    update_id = ids.get(inbox.event_number(event)) if event.payload is None else None
    payload = event.raw.get("payload") if update_id is not None and isinstance(event.raw, dict) else None
    query_id = payload.get("queryId") if isinstance(payload, dict) else None
    if not isinstance(query_id, str) or not 0 < len(query_id) <= LONGEST_QUERY_ID:
        return None
    method = out_of_use(query_id)
    return NewCall(
        id=uuid7(),
        method=method.path,
        chat_id="",
        params=stored(method, None),
        origin=OutgoingCall.Origin.REPLY,
        update_id=update_id,
    )


class BotStore:
    """Everything durable of one running bot. Raises LeaseLost when another process has taken over."""

    def __init__(self, account: BotAccount, owner: str) -> None:
        self.account_id = account.pk
        self.alias = account.alias
        self.owner = owner
        self.epoch = account.epoch
        """Under which numbering of the server's events the next batch is stored."""
        self.lease = Lease(account.pk, owner, seconds=conf.lease_seconds)
        self.claim_seconds = conf.claim_seconds
        # Ingest and commits run in two threads: each remembers for itself.
        self._seen = ChatDirectory(account.pk)
        self._recorder = Recorder(account.pk)
        factory: StorageFactory = import_string(conf.fsm_storage)
        self.storage = factory(account_id=account.pk, alias=account.alias)

    def offset(self) -> int:
        """How far events are stored; also reads under which numbering."""
        offset, self.epoch = BotAccount.objects.values_list("last_event_id", "epoch").get(pk=self.account_id)
        return offset

    def reset_offset(self) -> int:
        """An operator lets a new numbering begin, at offset 0; the offset that was."""
        with transaction.atomic():
            self.lease.fence()
            offset = self.offset()
            BotAccount.objects.filter(pk=self.account_id).update(epoch=F("epoch") + 1, last_event_id=0)
        return offset

    def review(self, events: Sequence[Event], offset: int) -> Review:
        """What an answer that reaches down to the offset is."""
        return numbering.review(self.account_id, self.epoch, offset, events)

    def ingest(
        self, incoming: Sequence[Incoming], offset: int, wanted: Collection[StateKey], tried_after: int | None = None
    ) -> Ingested:
        """Store a batch with its offset, and load the states of `wanted`.

        `tried_after`: this batch, beyond that offset, was tried before and nobody knows whether it was committed.
        """
        try:
            return self._ingest(incoming, offset, wanted, tried_after)
        except IntegrityError:  # a remembered chat or contact was deleted by hand
            self._seen.forget()
            return self._ingest(incoming, offset, wanted, tried_after)

    def _ingest(
        self, incoming: Sequence[Incoming], offset: int, wanted: Collection[StateKey], tried_after: int | None
    ) -> Ingested:
        now = timezone.now()
        with transaction.atomic():
            self.lease.advance(offset, self.epoch, now)
            ids = inbox.insert(self.account_id, self.epoch, incoming, now) if incoming else {}
            if tried_after is not None:
                ids |= inbox.stored_after(self.account_id, self.epoch, tried_after, incoming)
            presses = [call for item in incoming if (call := _answer_to_unreadable(item.event, ids)) is not None]
            if presses:
                outbox.insert(self.account_id, presses, now)
            fresh = [item.event for item in incoming if inbox.event_number(item.event) in ids]
            self._seen.note([event.payload for event in fresh if event.payload is not None], now)
            if conf.log_messages:
                entries = (log.incoming(event, now) for event in fresh)
                log.write([entry for entry in entries if entry is not None], self._seen, now)
            states = self.storage.load(wanted) if wanted else {}
        return Ingested(ids, states)

    def commit(self, changes: Changes) -> set[UUID]:
        """Write changes in one transaction; which of `claims` are ours to send. Doing it twice changes nothing."""
        try:
            return self._commit(changes)
        except IntegrityError:
            self._recorder.forget()
            return self._commit(changes)

    def _commit(self, changes: Changes) -> set[UUID]:
        now = timezone.now()
        claimed: set[UUID] = set()
        with transaction.atomic():
            self.lease.fence()
            if changes.started:
                inbox.start(changes.started)
            if changes.put_back:
                inbox.put_back(changes.put_back)
            if changes.calls:
                outbox.insert(
                    self.account_id,
                    changes.calls,
                    now,
                    claimed_by=self.owner,
                    claim_seconds=self.claim_seconds,
                )
            if changes.finished:
                inbox.finish(changes.finished, now)
            if changes.recorded or changes.log:
                self._recorder.write(changes.recorded, self.owner, now, lines=changes.log)
            if changes.claims:
                claimed = {call.id for call in outbox.claim(changes.claims, self.owner, self.claim_seconds)}
            if changes.released:
                outbox.release(self.account_id, self.owner, ids=changes.released)
            if changes.renewed:
                outbox.renew(changes.renewed, self.owner, self.claim_seconds)
            if changes.states:
                self.storage.save(changes.states)
        return claimed

    def recover(self) -> Recovered:
        """What to do first after taking the lease."""
        strategy = retry_strategy()
        with transaction.atomic():
            self.lease.fence()
            return Recovered(
                failed=inbox.recover(self.account_id, crashed=self.lease.abandoned_by),
                unknown=outbox.recover(
                    resend=strategy.resend_unknown, attempts=strategy.attempts, account_id=self.account_id
                ).unknown,
            )

    def acquit(self) -> None:
        """After the lease was lost: take back the crash that its next holder counted, since this process lives."""
        with transaction.atomic():
            inbox.acquit(self.account_id, self.owner)

    def crashing(self) -> list[StoredUpdate]:
        return inbox.crashing(self.account_id)

    def start_alone(self, update_id: int) -> None:
        with transaction.atomic():
            self.lease.fence()
            inbox.start_alone(update_id)

    def end_alone(self, update_id: int) -> bool:
        with transaction.atomic():
            self.lease.fence()
            return inbox.end_alone(update_id)

    def skip_pending(self) -> int:
        with transaction.atomic():
            self.lease.fence()
            return inbox.skip_pending(self.account_id)

    def pending(self, after: int, limit: int) -> list[StoredUpdate]:
        return inbox.pending(self.account_id, after, limit)

    def load_states(self, keys: Collection[StateKey]) -> dict[StateKey, StateRecord]:
        return self.storage.load(keys)

    def pending_of(self, key: StateKey, after: int, until: int, limit: int) -> list[StoredUpdate]:
        """A page of what waits in one conversation, in order, up to the id `until`."""
        return inbox.pending_of(self.account_id, key, after, until, limit)

    def has_work(self, known: Collection[UUID]) -> bool:
        """Whether `take_retried` or `waiting_replies` would find something. Reads only: an idle bot takes no lock."""
        replies = OutgoingCall.objects.replies(self.account_id).waiting().exclude(pk__in=known)
        rows = inbox.retried(self.account_id).values_list(Value(1)).union(replies.values_list(Value(1)), all=True)
        return bool(rows[:1])

    def take_retried(self, limit: int) -> list[StoredUpdate]:
        """Claim what an operator wants to have handled again."""
        with transaction.atomic():
            self.lease.fence()
            return inbox.take_retried(self.account_id, limit)

    def waiting_replies(self, known: Collection[UUID], limit: int, *, after: UUID | None = None) -> list[WaitingReply]:
        """Waiting replies beyond `after` that this process does not know of, in order.

        One that cannot be read is marked failed.
        """
        rows = OutgoingCall.objects.replies(self.account_id).waiting().exclude(pk__in=known).order_by("pk")
        if after is not None:
            rows = rows.filter(pk__gt=after)
        names = ("pk", "method", "chat_id", "params", "attempts", "retry_until", "due_at")
        replies: list[WaitingReply] = []
        unreadable: list[Result] = []
        for *fields, chat_id, user_id in rows.values_list(*names, "update__chat_id", "update__user_id")[:limit]:
            call_id, path, to, params, attempts, retry_until, due_at = fields
            call = ClaimedCall(
                id=call_id,
                method=path,
                chat_id=to,
                params=params,
                origin=OutgoingCall.Origin.REPLY,
                attempts=attempts,
                retry_until=retry_until,
            )
            try:
                flight = InFlight(call, restored(path, params))
            except UnreadableRow as error:
                status = OutgoingCall.Status.FAILED
                unreadable.append(Result(id=call_id, status=status, attempts=attempts, error=str(error)))
                continue
            # The update may have been deleted by hand: then the chat alone says where the reply belongs.
            key = StateKey(self.alias, to if chat_id is None else chat_id, user_id or "")
            replies.append(WaitingReply(flight, key, due_at))
        if unreadable:
            self._give_up(unreadable)
        return replies

    def _give_up(self, results: Sequence[Result]) -> None:
        with transaction.atomic():
            self.lease.fence()
            outbox.claim([result.id for result in results], self.owner, self.claim_seconds)
            outbox.record(results, self.owner, timezone.now())

    def leave(self, finished: Sequence[Finished]) -> None:
        """Record outcomes and give the lease back, as one: the process ends."""
        with transaction.atomic():
            self.lease.fence()
            inbox.finish(finished, timezone.now())
            self.lease.release()

    def note_error(self, text: str) -> None:
        BotAccount.objects.filter(pk=self.account_id).update(last_error=text, last_error_at=timezone.now())
