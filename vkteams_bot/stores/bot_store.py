"""All that one bot's process reads and writes, each call one transaction. Synchronous: see threads.py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from vkteams_bot.api.types import BotInfo
from vkteams_bot.conf import conf
from vkteams_bot.fsm import StateKey, StateRecord, Storage
from vkteams_bot.models import BotAccount
from vkteams_bot.stores import inbox, log, outbox
from vkteams_bot.stores.chat_directory import ChatDirectory
from vkteams_bot.stores.inbox import Finished, Incoming, StoredUpdate
from vkteams_bot.stores.lease import Lease
from vkteams_bot.stores.outbox import CallOutcome, NewCall, StoredCall


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
    claims: list[UUID] = field(default_factory=list)
    unclaimed: list[UUID] = field(default_factory=list)
    outcomes: list[CallOutcome] = field(default_factory=list)
    log: list[log.Entry] = field(default_factory=list)

    def add(self, other: Changes) -> None:
        self.started += other.started
        self.put_back += other.put_back
        self.finished += other.finished
        self.states.update(other.states)
        self.calls += other.calls
        self.claims += other.claims
        self.unclaimed += other.unclaimed
        self.outcomes += other.outcomes
        self.log += other.log


@dataclass(frozen=True, slots=True)
class Ingested:
    """Row ids of the updates that were new, by event number, and the states of the conversations asked for."""

    ids: dict[int, int]
    states: dict[StateKey, StateRecord]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a start found: updates given up after three crashes, sends whose outcome nobody knows."""

    failed: int
    unknown: int


def open_account(alias: str, info: BotInfo) -> BotAccount:
    """The account of this identity. Another token under the same alias is another account, with its own offset."""
    profile = {"nick": (info.nick or "")[:255], "name": (info.first_name or "")[:255]}
    account, created = BotAccount.objects.get_or_create(alias=alias, user_id=info.user_id, defaults=profile)
    if not created:
        BotAccount.objects.filter(pk=account.pk).update(**profile)
    return account


class BotStore:
    """Everything durable of one running bot. Raises LeaseLost when another process has taken over."""

    def __init__(self, account: BotAccount, owner: str) -> None:
        self.account_id = account.pk
        self.alias = account.alias
        self.lease = Lease(account.pk, owner)
        # Ingest and commits run in two threads: each remembers for itself.
        self._seen = ChatDirectory(account.pk)
        self._sent = ChatDirectory(account.pk)
        factory: StorageFactory = import_string(conf.fsm_storage)
        self.storage = factory(account_id=account.pk, alias=account.alias)

    def offset(self) -> int:
        return BotAccount.objects.values_list("last_event_id", flat=True).get(pk=self.account_id)

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
            self.lease.advance(offset, now)
            ids = inbox.insert(self.account_id, incoming, now) if incoming else {}
            if tried_after is not None:
                ids |= inbox.stored_after(self.account_id, tried_after, incoming)
            if conf.log_messages and ids:
                fresh = (item.event for item in incoming if inbox.event_number(item.event) in ids)
                entries = (log.incoming(event, now) for event in fresh)
                log.write([entry for entry in entries if entry is not None], self._seen, now)
            states = self.storage.load(wanted) if wanted else {}
        return Ingested(ids, states)

    def commit(self, changes: Changes, again: bool = False) -> set[UUID]:
        """Write changes in one transaction; which of `claims` were still waiting.

        `again`: the same was tried before and nobody knows whether it was committed. Doing it twice changes nothing.
        """
        try:
            return self._commit(changes, again)
        except IntegrityError:
            self._sent.forget()
            return self._commit(changes, again)

    def _commit(self, changes: Changes, again: bool) -> set[UUID]:
        now = timezone.now()
        claimed: set[UUID] = set()
        with transaction.atomic():
            self.lease.fence()
            if changes.started:
                inbox.start(changes.started)
            if changes.put_back:
                inbox.put_back(changes.put_back)
            if changes.calls:
                outbox.insert(self.account_id, changes.calls, now)
            if changes.finished:
                inbox.finish(changes.finished, now)
            if changes.outcomes:
                outbox.record(changes.outcomes, now)
            if changes.claims:
                claimed = outbox.claim(changes.claims, again=again)
            if changes.unclaimed:
                outbox.unclaim(changes.unclaimed)
            if changes.log and conf.log_messages:
                log.write(changes.log, self._sent, now)
            if changes.states:
                self.storage.save(changes.states)
        return claimed

    def recover(self, *, resend: bool) -> Recovered:
        """What to do first after taking the lease."""
        with transaction.atomic():
            self.lease.fence()
            return Recovered(
                failed=inbox.recover(self.account_id, crashed=self.lease.was_abandoned),
                unknown=outbox.recover(self.account_id, resend=resend),
            )

    def crashing(self) -> list[StoredUpdate]:
        return inbox.crashing(self.account_id)

    def skip_pending(self) -> int:
        with transaction.atomic():
            self.lease.fence()
            return inbox.skip_pending(self.account_id)

    def pending(self, after: int, limit: int) -> list[StoredUpdate]:
        return inbox.pending(self.account_id, after, limit)

    def load_states(self, keys: Collection[StateKey]) -> dict[StateKey, StateRecord]:
        return self.storage.load(keys)

    def has_work(self, known: Collection[UUID]) -> bool:
        """Whether `take_work` would find something. Reads only: an idle bot takes no lock."""
        return inbox.has_retried(self.account_id) or outbox.has_waiting(self.account_id, known)

    def take_work(self, known: Collection[UUID], limit: int) -> tuple[list[StoredUpdate], list[StoredCall]]:
        """What an operator asked for: updates to run again and calls to send."""
        with transaction.atomic():
            self.lease.fence()
            return inbox.take_retried(self.account_id, limit), outbox.waiting(self.account_id, known, limit)

    def note_error(self, text: str) -> None:
        now: datetime = timezone.now()
        BotAccount.objects.filter(pk=self.account_id).update(last_error=text, last_error_at=now)
