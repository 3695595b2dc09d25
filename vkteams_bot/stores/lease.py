"""One poller per bot: a lease on BotAccount. Every write of a poller checks that it still holds it."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import connection, transaction

from vkteams_bot.models import BotAccount
from vkteams_bot.stores import sql

SILENT_SECONDS = 8

_MINE = "id = %s AND lease_owner = %s"
_LIMIT_SILENCE = f"set_config('idle_in_transaction_session_timeout', '{SILENT_SECONDS}s', true)"


class LeaseLost(Exception):
    """Another process has taken over; nothing of this transaction was kept."""


def new_owner() -> str:
    """A name for this process that an operator can find: host, process id, and something unique.

    That begins with where the process id counts (`_place`).
    """
    return f"{socket.gethostname()[:200]}:{os.getpid()}:{_place()}{uuid4().hex[:8]}"


@functools.cache
def _place() -> str:
    """This boot of this machine and its namespace of process ids: containers may share a host name. "" if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    return hashlib.blake2b(f"{boot} {namespace}".encode(), digest_size=4).hexdigest()


def is_dead(owner: str) -> bool:
    """This holder's process is known to be gone: it ran where this one does, and its process id is free."""
    _, pid, unique = ([*owner.rsplit(":", 2), "", ""])[:3]
    if not _place() or not unique.startswith(_place()) or len(unique) != len(_place()) + 8 or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it lives, and belongs to somebody else
        pass
    return False


class Lease:
    """The lease of one owner on one account, by the clock of the database: hosts need not agree on the time."""

    def __init__(self, account_id: int, owner: str, *, seconds: float = 8.0) -> None:
        self.account_id = account_id
        self.owner = owner
        self.seconds = seconds
        self.abandoned_by = ""
        """The holder before, when it did not release it: it seems to have died."""

    def take(self) -> bool:
        """Take a free lease, or keep one's own. Also notes that the process lives."""
        with transaction.atomic():
            # Waits for the transactions of the holder that are under way: see fence().
            account = BotAccount.objects.select_for_update().get(pk=self.account_id)
            now = sql.clock()
            is_anothers = account.lease_owner not in ("", self.owner)
            lasts = account.lease_until is not None and account.lease_until >= now
            if is_anothers and lasts and not is_dead(account.lease_owner):
                return False
            if account.lease_owner != self.owner:
                self.abandoned_by = account.lease_owner
            account.lease_owner = self.owner
            account.lease_until = now + timedelta(seconds=self.seconds)
            account.save(update_fields=["lease_owner", "lease_until"])
        return True

    def renew(self, report: Mapping[str, Any] | None = None, polled_ago: float | None = None) -> None:
        """Raises LeaseLost when another process holds it. An expired lease that nobody took is ours again.

        `report` is stored with it; so is the moment of the last poll, so many seconds ago.
        """
        changes = [f"lease_until = {sql.later(self.seconds)}"]
        values = []
        if report is not None:
            changes.append("report = %s")
            values.append(sql.json_parameter(report))
        if polled_ago is not None:
            changes.append(f"polled_at = {sql.later(-polled_ago)}")
        self._hold(f"UPDATE {{account}} SET {', '.join(changes)} WHERE {_MINE} RETURNING 1", *values)

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
        if sql.is_postgres():
            self._hold(f"SELECT {_LIMIT_SILENCE} FROM {{account}} WHERE {_MINE} FOR KEY SHARE")
        else:  # a write, so that SQLite takes its only write lock before anything is read
            self._hold(f"UPDATE {{account}} SET lease_owner = lease_owner WHERE {_MINE} RETURNING 1")

    def advance(self, offset: int, epoch: int, now: datetime) -> None:
        """First statement of an ingest: move the offset on, and hold the lease as `fence` does. Raises LeaseLost."""
        result = _LIMIT_SILENCE if sql.is_postgres() else "1"
        self._hold(
            "UPDATE {account} SET last_event_id = %s, epoch = %s, last_event_at = %s "
            f"WHERE {_MINE} RETURNING {result}",
            offset,
            epoch,
            sql.time_parameter(now),
        )

    def _hold(self, statement: str, *values: int | str | None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement.format(account=sql.table(BotAccount)), [*values, self.account_id, self.owner])
            if not cursor.fetchall():
                raise LeaseLost
