"""Delivers what is due for one account: claims batches, hands them to the sender, writes their results."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue
from uuid import UUID

from django.db import connection, connections
from django.utils import timezone

from vkteams_bot import notify
from vkteams_bot.api import Bot
from vkteams_bot.broadcasts.settling import settle
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.models import BotAccount, OutgoingCall
from vkteams_bot.registry import bots
from vkteams_bot.signals import outbox_progress
from vkteams_bot.stores.queue import account_of
from vkteams_bot.stores.threads import BACKOFF, drop_broken_connections, is_connection_loss
from vkteams_bot.worker.batches import Batch, Batches
from vkteams_bot.worker.circuit_breaker import CircuitBreaker
from vkteams_bot.worker.outcomes import answered
from vkteams_bot.worker.sender import Completed, InFlight, sender

logger = logging.getLogger("vkteams_bot.worker")

IN_FLIGHT = 100
"""Requests of one account on their way in one process: what a `kill -9` leaves unknown, at most."""
RUN_SECONDS = 5.0
"""How long one task claims; then it hands on, so that a worker's slot serves others, too."""
HELP_SECONDS = 1.0
"""A run asks other processes for help when it is full, and when its time is up while it waits for its last answers.

If none is idle within this time, the message is dropped."""
GATHER_SECONDS = 0.01
"""After the first answer others are waited for, so that they are written together."""
LOOK_SECONDS = 1.0
"""A run that waits looks this often whether it should stop or renew its claims."""
OUTAGE_SECONDS = 60.0
"""A run waits so long for a lost database; what it knows is then written by the next run in this process."""
SIGNAL_SECONDS = 0.5


def never() -> bool:
    return False


def deliver(account_id: int, *, bulk: bool, seconds: float = RUN_SECONDS, stop: Callable[[], bool] = never) -> bool:
    """Send what is due for an account, for `seconds` or until `stop()`, and wait for the answers.

    `bulk`: broadcasts and calls of bulk priority, too. True: more is due now and nobody else sees to it. If another
    thread of this process delivers for the account already, it does this, too, and False is returned at once.
    """
    drop_broken_connections()
    alias = BotAccount.objects.filter(pk=account_id).values_list("alias", flat=True).first()
    if alias is None:
        return False
    if not is_served(account_id, alias):
        logger.warning("calls wait for a bot that the settings do not have", extra={"bot": alias})
        return False
    return deliverers.of(account_id).run(bots[alias], bulk=bulk, seconds=seconds, stop=stop)


def is_served(account_id: int, alias: str) -> bool:
    """The settings have this very bot: another token under its alias does not send what was written for it."""
    return alias in conf.aliases and account_of(alias, bots[alias].user_id) == account_id


class Deliverer:
    """One per account and process. What is on its way, and what came back, outlives a run."""

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self._guard = threading.Lock()
        self._owner: object | None = None
        self._again = False
        self._bulk = False
        self._flights: dict[UUID, InFlight] = {}
        self._landed: SimpleQueue[Completed | None] = SimpleQueue()
        self._unwritten: list[Completed] = []
        self._reach = CircuitBreaker()
        self._signalled_at = 0.0

    def run(self, bot: Bot, *, bulk: bool, seconds: float, stop: Callable[[], bool]) -> bool:
        run = object()
        with self._guard:
            if self._owner is not None:
                self._again = True
                self._bulk = self._bulk or bulk
                self._landed.put(None)
                return False
            self._owner, self._again, self._bulk = run, False, bulk
        try:
            more = self._run(bot, time.monotonic() + seconds, stop)
        finally:
            with self._guard:
                asked_again = self._owner is run and self._again
                if self._owner is run:  # the next run may have begun
                    self._owner = None
        return more or asked_again

    def _run(self, bot: Bot, deadline: float, stop: Callable[[], bool]) -> bool:
        batches = Batches(self.account_id, bot)
        wait = 0.0
        claiming, asked = True, False
        try:
            while True:
                self._gather(wait)
                was_claiming, claiming = claiming, time.monotonic() < deadline and not stop()
                batch = self._write(batches, room=self._room() if claiming else 0)
                if batch.flights:
                    sender.send(bot, batch.flights, self._landed.put)
                is_full = len(self._flights) >= IN_FLIGHT
                if (is_full and not asked) or (self._flights and was_claiming and not claiming):
                    asked = True
                    notify.delivery(self.account_id, bulk=self._bulk, expires=HELP_SECONDS)()
                if not self._flights:
                    if not claiming:
                        return batches.are_alone()
                    if self._reach.is_paused:
                        return False  # the sweep comes again
                    if batch.wait is None and self._is_finished():
                        return False
                wait = LOOK_SECONDS if batch.wait is None else min(batch.wait, LOOK_SECONDS)
                self._tell(batches, SIGNAL_SECONDS)
        finally:
            self._tell(batches, 0.0)

    def _is_finished(self) -> bool:
        """Nothing is due, and no other task has asked to look again since. After this, the next one runs itself."""
        if self._bulk and settle(self.account_id, timezone.now()):
            return False
        with self._guard:
            if self._again:
                self._again = False
                return False
            self._owner = None
            return True

    def _room(self) -> int:
        return self._reach.room(IN_FLIGHT - len(self._flights), len(self._flights))

    def _gather(self, seconds: float) -> None:
        """Wait at most so long for an answer, then take all that came with it."""
        try:
            self._take(self._landed.get(timeout=seconds) if seconds else self._landed.get_nowait())
            if len(self._flights) > 1:
                time.sleep(GATHER_SECONDS)
            while True:
                self._take(self._landed.get_nowait())
        except Empty:
            return

    def _take(self, completed: Completed | None) -> None:
        """None: another task asked to look again."""
        if completed is not None:
            # A claim may have been renewed since it left.
            flight = self._flights.pop(completed.flight.claim.id, completed.flight)
            self._unwritten.append(replace(completed, flight=flight))
            if not isinstance(completed.error, InvalidCall):
                self._reach.note(answered=answered(completed))

    def _write(self, batches: Batches, *, room: int) -> Batch:
        """As `Batches.write`. A lost database is waited for; what it could not be told is kept for the next run."""
        completed, flying = list(self._unwritten), list(self._flights.values())
        patience = time.monotonic() + OUTAGE_SECONDS
        failures = 0
        while True:
            try:
                batch = batches.write(completed, flying, room=room, bulk=self._bulk)
                break
            except Exception as error:
                if not is_connection_loss(error):
                    self._unwritten.clear()  # not to fail for ever: their claims end, and they are unknown
                    raise
                if connection.in_atomic_block or time.monotonic() > patience:
                    raise
                failures += 1
                log = logger.warning if failures == 1 else logger.debug
                log("the database is away, waiting for it: %s", error)
                connections.close_all()
                time.sleep(BACKOFF.pause(failures))
        self._unwritten.clear()
        self._flights = {flight.claim.id: flight for flight in (*batch.flying, *batch.flights)}
        return batch

    def _tell(self, batches: Batches, every_seconds: float) -> None:
        now = time.monotonic()
        if batches.progressed and now - self._signalled_at >= every_seconds:
            self._signalled_at = now
            told, batches.progressed = batches.progressed, set()
            outbox_progress.send_robust(
                OutgoingCall,
                account_id=self.account_id,
                broadcast_ids=frozenset(key for key in told if key is not None),
            )


class Deliverers:
    """Those of this process; a forked child has its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[int, Deliverer] = {}

    def of(self, account_id: int) -> Deliverer:
        with self._lock:
            return self._made.setdefault(account_id, Deliverer(account_id))

    def forget(self) -> None:
        self._lock = threading.Lock()
        self._made = {}


deliverers = Deliverers()
os.register_at_fork(after_in_child=deliverers.forget)
