"""Deletes what is old: by primary key, in batches, a short transaction each. Run it by cron or Celery beat."""

from __future__ import annotations

import signal
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from vkteams_bot.conf import conf
from vkteams_bot.models import ChatMessage, Conversation, OutgoingCall, Update

# SQLite takes 32 766 parameters in one statement.
LARGEST_BATCH = 10_000
SECONDS_BETWEEN_LINES = 10.0

Report = Callable[[str, int, float], None]


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
    report: Report
    batch: int = 1_000
    failed: bool = False
    dry_run: bool = False
    stopped: bool = False
    """Set it to end after the batch at hand."""
    deleted: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        for table in (self._calls, self._updates, self._messages, self._conversations):
            if not self.stopped:
                table()

    def _calls(self) -> None:
        moment = self.ages.calls
        if moment is None:
            return
        for window, share in self._windows(OutgoingCall, "created_at", moment):
            self._delete("calls", OutgoingCall.objects.filter(window).older_than(moment, failed=self.failed))
            self._tell("calls", share)

    def _updates(self) -> None:
        """With their finished calls; a call that still needs a decision stays, without its update."""
        moment = self.ages.updates
        if moment is None:
            return
        for window, share in self._windows(Update, "created_at", moment):
            old = Update.objects.filter(window).older_than(moment, failed=self.failed)
            keys = list(old.values_list("pk", flat=True))
            replies = OutgoingCall.objects.filter(update__in=keys)
            with transaction.atomic():
                # A dry run has counted the old calls already.
                of_old = Q() if not self.dry_run or self.ages.calls is None else Q(created_at__gte=self.ages.calls)
                self._delete("calls", replies.finished(failed=self.failed).filter(of_old))
                if not self.dry_run:
                    replies.update(update=None)
                self._delete("updates", Update.objects.filter(pk__in=keys).older_than(moment, failed=self.failed))
            self._tell("updates", share)

    def _messages(self) -> None:
        moment = self.ages.messages
        if moment is None:
            return
        for window, share in self._windows(ChatMessage, "sent_at", moment):
            self._delete("messages", ChatMessage.objects.filter(window).older_than(moment))
            self._tell("messages", share)

    def _conversations(self) -> None:
        """They do not age in the order of their keys, so all of them are looked at."""
        moment = self.ages.updates
        if moment is None:
            return
        for window, share in self._windows(Conversation, "updated_at", None):
            self._delete("conversations", Conversation.objects.filter(window).over_since(moment))
            self._tell("conversations", share)

    def _windows(self, model: type[Model], moment_field: str, until: datetime | None) -> Iterator[tuple[Q, float]]:
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
            yield Q(pk__gte=page[0][0], pk__lte=page[-1][0]), min(max(share, 0.0), 1.0)
            after = Q(pk__gt=page[-1][0])

    def _delete(self, table: str, rows: QuerySet[Any]) -> None:
        """In one statement, without loading rows."""
        # None for a queryset that is known to be empty.
        self.deleted[table] += rows.count() if self.dry_run else rows._raw_delete(DEFAULT_DB_ALIAS) or 0

    def _tell(self, table: str, share: float) -> None:
        self.report(table, self.deleted[table], share)


class Progress:
    """On a terminal a bar that moves; elsewhere a line now and then."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._is_terminal = bool(getattr(stream, "isatty", lambda: False)())
        self._told = time.monotonic()
        self._drawn = False

    def __call__(self, table: str, deleted: int, share: float) -> None:
        if self._is_terminal:
            filled = round(share * 24)
            self._stream.write(f"\r{table:<13} [{'#' * filled:<24}] {share:4.0%}  {deleted}\x1b[K")
            self._stream.flush()
            self._drawn = True
        elif time.monotonic() - self._told >= SECONDS_BETWEEN_LINES:
            self._told = time.monotonic()
            self._stream.write(f"{table}: {deleted} ({share:.0%})\n")

    def close(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


class Command(BaseCommand):
    help = "Delete old updates with their sent calls, old messages and conversations that are over."

    def add_arguments(self, parser: ArgumentParser) -> None:
        days: dict[str, Any] = {"type": _days, "metavar": "N", "default": None}
        parser.add_argument(
            "--updates-days", **days, help="keep updates and conversations N days (default: KEEP_UPDATES_DAYS)"
        )
        parser.add_argument(
            "--calls-days", **days, help="keep sent and dropped calls N days (default: as long as updates)"
        )
        parser.add_argument("--messages-days", **days, help="keep the chat log N days (default: KEEP_MESSAGES_DAYS)")
        parser.add_argument("--batch", type=_batch, default=1_000, metavar="N", help="rows per transaction (1000)")
        parser.add_argument(
            "--failed", action="store_true", help="also failed updates, and calls that were refused or are unknown"
        )
        parser.add_argument("--dry-run", action="store_true", help="count, delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        updates = conf.keep_updates_days if options["updates_days"] is None else options["updates_days"]
        calls = updates if options["calls_days"] is None else options["calls_days"]
        messages = conf.keep_messages_days if options["messages_days"] is None else options["messages_days"]
        progress = Progress(self.stderr._out)  # the stream itself: no newline, no style
        pruning = Pruning(
            Ages(_before(updates), _before(calls), _before(messages)),
            progress,
            batch=options["batch"],
            failed=options["failed"],
            dry_run=options["dry_run"],
        )
        with _stopped_by_signal(pruning) as received:
            try:
                pruning.run()
            finally:
                progress.close()
        found = ", ".join(
            f"{pruning.deleted[table]} {table}" for table in ("updates", "calls", "messages", "conversations")
        )
        self.stdout.write(f"{'would delete' if options['dry_run'] else 'deleted'}: {found}")
        if received:
            self.stderr.write("stopped before the end; run it again to go on")
            sys.exit(128 + received[0])


@contextmanager
def _stopped_by_signal(pruning: Pruning) -> Iterator[list[int]]:
    """SIGINT and SIGTERM end it after the batch at hand; the second one at once."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        pruning.stopped = True

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _before(days: float | None) -> datetime | None:
    return None if days is None else timezone.now() - timedelta(days=days)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days <= 100_000:
        raise ArgumentTypeError(f"{text!r} is no number of days")
    return days


def _batch(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_BATCH:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to {LARGEST_BATCH}")
    return int(text)
