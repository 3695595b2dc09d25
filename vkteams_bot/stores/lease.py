"""One poller per bot: a lease on BotAccount. Every write of a poller checks that it still holds it."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from vkteams_bot.models import BotAccount
from vkteams_bot.stores import sql

LEASE_SECONDS = 8.0
RENEW_SECONDS = 2.5
SILENT_SECONDS = 8


class LeaseLost(Exception):
    """Another process has taken over; nothing of this transaction was kept."""


def new_owner() -> str:
    """A name for this process that an operator can find: host, process id, and something unique."""
    return f"{socket.gethostname()[:200]}:{os.getpid()}:{uuid4().hex[:8]}"


class Lease:
    """The lease of one owner on one account. Its clock is that of the process, skew eats into LEASE_SECONDS."""

    def __init__(self, account_id: int, owner: str) -> None:
        self.account_id = account_id
        self.owner = owner
        self.was_abandoned = False
        """The holder before did not release it: it died."""

    def take(self) -> bool:
        """Take a free lease, or keep one's own. Also notes that the process lives."""
        with transaction.atomic():
            # Waits for the transactions of the holder that are under way: see fence().
            account = BotAccount.objects.select_for_update().get(pk=self.account_id)
            now = timezone.now()
            if account.lease_owner != self.owner and account.lease_until is not None and account.lease_until >= now:
                return False
            if account.lease_owner != self.owner:
                self.was_abandoned = account.lease_owner != ""
            account.lease_owner = self.owner
            account.lease_until = now + timedelta(seconds=LEASE_SECONDS)
            account.save(update_fields=["lease_owner", "lease_until"])
        return True

    def renew(self) -> None:
        """Raises LeaseLost when another process holds it. An expired lease that nobody took is ours again."""
        until = timezone.now() + timedelta(seconds=LEASE_SECONDS)
        mine = BotAccount.objects.filter(pk=self.account_id, lease_owner=self.owner)
        if not mine.update(lease_until=until):
            raise LeaseLost

    def release(self) -> None:
        BotAccount.objects.filter(pk=self.account_id, lease_owner=self.owner).update(lease_owner="", lease_until=None)

    def holder(self) -> str:
        return BotAccount.objects.values_list("lease_owner", flat=True).get(pk=self.account_id)

    def fence(self) -> None:
        """First statement of a transaction: nobody takes the lease until it ends. Raises LeaseLost.

        FOR KEY SHARE stands in the way of the FOR UPDATE of `take`, but not of the offset's UPDATE: ingest and commits
        run side by side. A holder that falls silent in a transaction (a paused machine) would hold up `take` for as
        long as its connection lives: the server ends such a transaction after SILENT_SECONDS.
        """
        with connection.cursor() as cursor:
            account = sql.table(BotAccount)
            if sql.is_postgres():
                cursor.execute(
                    "SELECT set_config('idle_in_transaction_session_timeout', %s, true) "
                    f"FROM {account} WHERE id = %s AND lease_owner = %s FOR KEY SHARE",
                    [f"{SILENT_SECONDS}s", self.account_id, self.owner],
                )
                held = cursor.fetchone() is not None
            else:  # a write, so that SQLite takes its only write lock before anything is read
                cursor.execute(
                    f"UPDATE {account} SET lease_owner = lease_owner WHERE id = %s AND lease_owner = %s",
                    [self.account_id, self.owner],
                )
                held = cursor.rowcount == 1
        if not held:
            raise LeaseLost
