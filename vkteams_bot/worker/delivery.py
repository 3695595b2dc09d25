"""The engine that delivers what is due for one account: claims batches, sends them side by side, writes their results.

Celery workers run it in tasks, a polling process without workers in a thread, `broadcast … --local` and the test kit in
their own. Replies of handlers go the same way (send, outcome, retry strategy, recorder), one by one in their
conversations: see `runtime/replies.py`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from uuid import UUID

from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from vkteams_bot import notify
from vkteams_bot.api import Bot
from vkteams_bot.broadcasts.lifecycle import advance
from vkteams_bot.circuit_breaker import CircuitBreaker
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import ConfigurationError, InvalidCall
from vkteams_bot.models import BotAccount, OutgoingCall
from vkteams_bot.registry import bots
from vkteams_bot.signals import outbox_progress
from vkteams_bot.stores.lease import new_owner
from vkteams_bot.stores.outages import OutageWait, is_outage
from vkteams_bot.stores.slow_calls import slow_calls
from vkteams_bot.stores.threads import drop_broken_connections
from vkteams_bot.worker.batches import Batch, Batches
from vkteams_bot.worker.results import retry_strategy
from vkteams_bot.worker.sender import Completed, InFlight, sender

logger = logging.getLogger("vkteams_bot.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """How a deliverer works; seconds, where not said otherwise."""

    in_flight: int = 100
    """Requests of one account on their way in one process: what a `kill -9` leaves unknown, at most."""
    run: float = 5.0
    """How long one task claims; then it hands on, so that a worker's slot serves others, too."""
    help: float = 1.0
    """A run asks other processes for help when it is full, and when its time is up while it waits for its last answers.

    If none is idle within this time, the message is dropped."""
    gather: float = 0.01
    """After the first answer others are waited for, so that they are written together."""
    look: float = 1.0
    """A run that waits looks this often whether it should stop or renew its claims."""
    outage: float = 60.0
    """A run waits so long for a lost database; what it knows is then written by the next run in this process."""
    signal: float = 0.5
    """Between two signals of progress, at least."""


def never() -> bool:
    return False


def deliver(account_id: int, *, bulk: bool, seconds: float | None = None, stop: Callable[[], bool] = never) -> bool:
    """Send what is due for an account, for `seconds` or until `stop()`, and wait for the answers.

    `bulk`: broadcasts and calls of bulk priority, too. True: more is due now and nobody else sees to it. If another
    thread of this process delivers for the account already, it does this, too, and False is returned at once.
    """
    with slow_calls.watched("deliver", logger):
        drop_broken_connections()
        account = BotAccount.objects.filter(pk=account_id).first()
        bot = None if account is None else bot_of(account)
    if account is None:
        return False
    if bot is None:
        logger.warning(
            "calls wait for the bot %s, which the settings do not have (any more): move or drop them in the admin",
            account,
            extra={"bot": account.alias},
        )
        return False
    return deliverers.of(account_id).run(bot, bulk=bulk, seconds=seconds, stop=stop)


def bot_of(account: BotAccount) -> Bot | None:
    """The bot of the settings that is this very identity; None when its alias is gone or has another token now."""
    if account.alias not in conf.aliases:
        return None
    try:
        bot = bots[account.alias]
    except ConfigurationError:
        return None
    return bot if BotAccount.objects.id_for(bot.alias, bot.user_id) == account.pk else None


class Deliverer:
    """One per account and process. What is on its way, and what came back, outlives a run."""

    def __init__(self, account_id: int, options: DeliveryOptions | None = None) -> None:
        self.account_id = account_id
        self._options = options or DeliveryOptions()
        self._by = new_owner()
        self._guard = threading.Lock()
        self._owner: object | None = None
        self._again = False
        self._bulk = False
        self._flights: dict[UUID, InFlight] = {}
        self._answers: SimpleQueue[Completed | None] = SimpleQueue()
        self._unwritten: list[Completed] = []
        self._server = CircuitBreaker()
        self._batches: tuple[Bot, Batches] | None = None
        self._signalled_at = 0.0

    def run(self, bot: Bot, *, bulk: bool, seconds: float | None = None, stop: Callable[[], bool] = never) -> bool:
        """As `deliver`."""
        run = object()
        with self._guard:
            if self._owner is not None:
                self._again = True
                self._bulk = self._bulk or bulk
                self._answers.put(None)
                return False
            self._owner, self._again, self._bulk = run, False, bulk
        try:
            more = self._run(bot, time.monotonic() + (self._options.run if seconds is None else seconds), stop)
        finally:
            with self._guard:
                asked_again = self._owner is run and self._again
                if self._owner is run:  # the next run may have begun
                    self._owner = None
        return more or asked_again

    def _run(self, bot: Bot, deadline: float, stop: Callable[[], bool]) -> bool:
        batches = self._batches_of(bot)
        wait = 0.0
        claiming, asked = True, False
        try:
            while True:
                self._gather(wait)
                was_claiming, claiming = claiming, time.monotonic() < deadline and not stop()
                batch = self._write(batches, room=self._room() if claiming else 0, stop=stop)
                if batch.flights:
                    sender.send(bot, batch.flights, self._answers.put)
                is_full = len(self._flights) >= self._options.in_flight
                if (is_full and not asked) or (self._flights and was_claiming and not claiming):
                    asked = True
                    notify.delivery(self.account_id, bulk=self._bulk, expires=self._options.help)()
                if not self._flights:
                    if not claiming:
                        with slow_calls.watched("Batches.are_alone", logger, bot=bot.alias):
                            return batches.are_alone()
                    if self._server.is_paused:
                        return False  # the sweep comes again
                    if batch.wait is None and self._is_finished(bot):
                        return False
                wait = self._options.look if batch.wait is None else min(batch.wait, self._options.look)
                self._signal(batches, self._options.signal)
        finally:
            self._signal(batches, 0.0)

    def _batches_of(self, bot: Bot) -> Batches:
        if self._batches is None or self._batches[0] is not bot:
            batches = Batches(
                self.account_id, bot, by=self._by, strategy=retry_strategy(), claim_seconds=conf.claim_seconds
            )
            self._batches = (bot, batches)
        return self._batches[1]

    def _is_finished(self, bot: Bot) -> bool:
        """Nothing is due, and no other task has asked to look again since. After this, the next one runs itself."""
        if self._bulk:
            with slow_calls.watched("advance", logger, bot=bot.alias):
                if advance(self.account_id, timezone.now()):
                    return False
        with self._guard:
            if self._again:
                self._again = False
                return False
            self._owner = None
            return True

    def _room(self) -> int:
        return self._server.room(self._options.in_flight - len(self._flights), len(self._flights))

    def _gather(self, seconds: float) -> None:
        """Wait at most so long for an answer, then take all that came with it."""
        try:
            self._take(self._answers.get(timeout=seconds) if seconds else self._answers.get_nowait())
            if len(self._flights) > 1:
                time.sleep(self._options.gather)
            while True:
                self._take(self._answers.get_nowait())
        except Empty:
            return

    def _take(self, completed: Completed | None) -> None:
        """None: another task asked to look again."""
        if completed is None:
            return
        self._flights.pop(completed.flight.call.id, None)
        self._unwritten.append(completed)
        if completed.outcome.is_answer:
            if not isinstance(completed.error, InvalidCall):
                self._server.record_success()
        else:
            self._server.record_failure()

    def _write(self, batches: Batches, *, room: int, stop: Callable[[], bool]) -> Batch:
        """As `Batches.write`. A lost database is waited for; what it could not be told is kept for the next run.

        Who is to stop waits no longer than STOP_TIMEOUT.
        """
        completed, flying = list(self._unwritten), list(self._flights.values())
        began = time.monotonic()

        def write() -> Batch:
            with slow_calls.watched("Batches.write", logger, bot=batches.alias):
                return batches.write(completed, flying, room=room, bulk=self._bulk)

        def is_late() -> bool:
            return time.monotonic() - began >= conf.stop_timeout and stop()

        outage = OutageWait(logger, patience=self._options.outage, stop=is_late)
        try:
            batch = outage.run(write)
        except (DatabaseError, InterfaceError) as error:
            if not is_outage(error):
                self._give_up(batches, completed)
            raise
        except Exception:  # a bug: as above, and whoever runs this logs it
            self._give_up(batches, completed)
            raise
        self._unwritten.clear()
        self._flights = {flight.call.id: flight for flight in (*flying, *batch.flights)}
        return batch

    def _give_up(self, batches: Batches, completed: Sequence[Completed]) -> None:
        """Not to fail for ever: their claims end, and they are unknown."""
        batches.give_up(completed)
        self._unwritten.clear()

    def _signal(self, batches: Batches, every_seconds: float) -> None:
        now = time.monotonic()
        if batches.progressed and now - self._signalled_at >= every_seconds:
            self._signalled_at = now
            progressed, batches.progressed = batches.progressed, set()
            outbox_progress.send_robust(
                OutgoingCall,
                account_id=self.account_id,
                broadcast_ids=frozenset(key for key in progressed if key is not None),
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
