"""Deletes what is old: by primary key, in batches, a short transaction each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from vkteams_bot.models import ChatMessage, Conversation, OutgoingCall, Update

BATCH = 1_000

Report = Callable[[str, int, float], None]
Window = tuple[Any, Any]
"""The first and the last key of a batch."""


def silent(table: str, deleted: int, share: float) -> None:
    """A report to nobody."""


@dataclass(frozen=True, slots=True)
class Ages:
    """What was written before these moments may go; None = keep for ever."""

    updates: datetime | None
    calls: datetime | None
    messages: datetime | None


@dataclass(slots=True)
class Pruning:
    """Walks each table from its oldest row to the first batch that is young: what is newer is never read.

    `report` is told a table, how many of its rows went, and which share of the way is done. `deleted` counts rows.
    """

    ages: Ages
    report: Report = silent
    batch: int = BATCH
    failed: bool = False
    dry_run: bool = False
    stopped: bool = False
    deleted: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        for table in (self._calls, self._updates, self._messages, self._conversations):
            if not self.stopped:
                table()

    def stop(self) -> None:
        """End after the batch at hand."""
        self.stopped = True

    def _calls(self) -> None:
        moment = self.ages.calls
        if moment is None:
            return
        for keys, share in self._windows(OutgoingCall, "created_at", moment):
            rows = OutgoingCall.objects.filter(pk__range=keys)
            old = rows.older_than(moment, failed=self.failed).values("pk")
            # It joins broadcasts, so it becomes a subquery; the range outside of it keeps that from reading all rows.
            self._delete("calls", rows.filter(pk__in=old))
            self._tell("calls", share)

    def _updates(self) -> None:
        """Deletes updates with their finished calls; a call that still needs a decision stays, without its update."""
        moment = self.ages.updates
        if moment is None:
            return
        for keys, share in self._windows(Update, "created_at", moment):
            updates = Update.objects.filter(pk__range=keys)
            old = list(updates.older_than(moment, failed=self.failed).values_list("pk", flat=True))
            # The range beside the keys: many keys alone make PostgreSQL read the whole of a small table.
            replies = OutgoingCall.objects.filter(update__gte=keys[0], update__lte=keys[1], update__in=old)
            with transaction.atomic():
                # A dry run has counted the old calls already.
                of_old = Q() if not self.dry_run or self.ages.calls is None else Q(created_at__gte=self.ages.calls)
                self._delete("calls", replies.finished(failed=self.failed).filter(of_old))
                if not self.dry_run:
                    replies.update(update=None)
                self._delete("updates", updates.filter(pk__in=old).older_than(moment, failed=self.failed))
            self._tell("updates", share)

    def _messages(self) -> None:
        moment = self.ages.messages
        if moment is None:
            return
        for keys, share in self._windows(ChatMessage, "sent_at", moment):
            self._delete("messages", ChatMessage.objects.filter(pk__range=keys).older_than(moment))
            self._tell("messages", share)

    def _conversations(self) -> None:
        """Looks at all of them: conversations do not age in the order of their keys."""
        moment = self.ages.updates
        if moment is None:
            return
        for keys, share in self._windows(Conversation, "updated_at", None):
            self._delete("conversations", Conversation.objects.filter(pk__range=keys).over_since(moment))
            self._tell("conversations", share)

    def _windows(self, model: type[Model], moment_field: str, until: datetime | None) -> Iterator[tuple[Window, float]]:
        """Ranges of keys, `batch` rows each, to the first without a row older than `until`; how far that is."""
        rows = model._default_manager.order_by("pk").values_list("pk", moment_field)
        after = Q()
        first: datetime | None = None
        while not self.stopped:
            page = list(rows.filter(after)[: self.batch])
            if not page or (until is not None and min(moment for _key, moment in page) >= until):
                return
            first = first or page[0][1]
            span = (until - first).total_seconds() if until is not None else 0.0
            share = (page[-1][1] - first).total_seconds() / span if span > 0 else 0.0
            yield (page[0][0], page[-1][0]), min(max(share, 0.0), 1.0)
            after = Q(pk__gt=page[-1][0])

    def _delete(self, table: str, rows: QuerySet[Any]) -> None:
        """Deletes rows by one statement, without loading them; a dry run counts them."""
        # None for a queryset that is known to be empty.
        self.deleted[table] += rows.count() if self.dry_run else rows._raw_delete(DEFAULT_DB_ALIAS) or 0

    def _tell(self, table: str, share: float) -> None:
        self.report(table, self.deleted[table], share)


def before(days: float | None) -> datetime | None:
    """The moment that was `days` days ago; None = never."""
    return None if days is None else timezone.now() - timedelta(days=days)
