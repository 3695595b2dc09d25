"""Deletes what is old. Run it by cron, or let Celery beat run the task."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand

from vkteams_bot.conf import conf
from vkteams_bot.management.bar import Bar
from vkteams_bot.pruning import BATCH, Ages, Pruning, before
from vkteams_bot.signal_handlers import stop_on_signals

# SQLite takes 32 766 parameters in one statement.
LARGEST_BATCH = 10_000


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
        parser.add_argument("--batch", type=_batch, default=BATCH, metavar="N", help="rows per transaction (1000)")
        parser.add_argument(
            "--failed", action="store_true", help="also failed updates, and calls that were refused or are unknown"
        )
        parser.add_argument("--dry-run", action="store_true", help="count, delete nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        updates = conf.keep_updates_days if options["updates_days"] is None else options["updates_days"]
        calls = updates if options["calls_days"] is None else options["calls_days"]
        messages = conf.keep_messages_days if options["messages_days"] is None else options["messages_days"]
        bar = Bar(self.stderr._out)  # the stream itself: no newline, no style
        pruning = Pruning(
            Ages(before(updates), before(calls), before(messages)),
            lambda table, deleted, share: bar.show(table, str(deleted), share),
            batch=options["batch"],
            failed=options["failed"],
            dry_run=options["dry_run"],
        )
        with stop_on_signals(pruning.stop) as received:
            try:
                pruning.run()
            finally:
                bar.close()
        counts = ", ".join(
            f"{pruning.deleted[table]} {table}" for table in ("updates", "calls", "messages", "conversations")
        )
        self.stdout.write(f"{'would delete' if options['dry_run'] else 'deleted'}: {counts}")
        if received:
            self.stderr.write("stopped before the end; run it again to go on")
            sys.exit(128 + received[0])


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
