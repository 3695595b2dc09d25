"""Delivering what is due without Celery: a thread beside polling does what a worker would, while no worker lives."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from django.db import Error, connections
from django.utils import timezone

from vkteams_bot import notify
from vkteams_bot.api import Bot
from vkteams_bot.backoff import CALL
from vkteams_bot.broadcasts import expansion
from vkteams_bot.broadcasts.lifecycle import PREPARATION_SECONDS
from vkteams_bot.conf import conf
from vkteams_bot.models import BotAccount, Broadcast
from vkteams_bot.stores.outages import OutageWait, is_connection_refused, is_outage
from vkteams_bot.stores.slow_calls import SlowCalls, slow_calls
from vkteams_bot.stores.threads import drop_broken_connections
from vkteams_bot.stores.wrong_database import NotMigrated, is_unmigrated
from vkteams_bot.worker.delivery import deliverers
from vkteams_bot.worker.duty import duty_of, is_runbots_duty
from vkteams_bot.worker.sender import sender
from vkteams_bot.worker.sweeping import due_now, recover_lost

logger = logging.getLogger("vkteams_bot.runtime")


class Stopped(Exception):
    """Work was left where it stood: the next process goes on."""


class DueDelivery:
    """Delayed calls, due times, schedules and broadcasts of one account, by the same engine as a worker's.

    It looks every `look_seconds`, and at once when this process is told of something; every `sweep_seconds` it takes
    claims from dead processes. `on_refused` is called when the database has no connection for it.
    """

    def __init__(
        self,
        account_id: int,
        bot: Bot,
        *,
        look_seconds: float = 2.0,
        sweep_seconds: float = 10.0,
        slow: SlowCalls = slow_calls,
        on_refused: Callable[[], object] | None = None,
    ) -> None:
        self._account_id = account_id
        self._bot = bot
        self._look_seconds = look_seconds
        self._sweep_seconds = sweep_seconds
        self._slow = slow
        self._on_refused = on_refused
        self._swept_at = float("-inf")
        self._not_before: dict[int, float] = {}
        """When a broadcast that could not be prepared is tried again."""
        self._told = threading.Event()
        self._stop = threading.Event()
        self._on_duty: bool | None = None
        self._is_neglected = False
        self._thread = threading.Thread(target=self._work, name=f"due-{bot.alias}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self, seconds: float) -> bool:
        """Claim no more, wait so long for the answers to what is on its way, then cut it short. False: it hangs."""
        self._stop.set()
        self._told.set()
        if not await self._ended_within(seconds):
            sender.cut(self._bot)
        return await self._ended_within(1.0)

    async def _ended_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self._thread.is_alive():
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(0.02)
        return True

    def _work(self) -> None:
        extra = {"bot": self._bot.alias}
        outage = OutageWait(logger, extra=extra)
        failures = 0
        with notify.listeners.listening(self._told.set):
            while not self._stop.is_set():
                pause = 0.0
                try:
                    self._round()
                    outage.recovered()
                    failures = 0
                except Stopped:
                    break
                except Exception as error:  # what is due must not end with whatever one row or broadcast brings about
                    connections.close_all()
                    if self._on_refused is not None and is_connection_refused(error):
                        self._on_refused()
                    try:
                        if not isinstance(error, Error):
                            raise
                        pause = outage.failed(error)
                    except Exception:
                        failures += 1
                        pause = CALL.pause(failures)
                        is_known = is_unmigrated(error)
                        logger.error(
                            "what is due could not be delivered, next try in %.0f s: %s",
                            pause,
                            NotMigrated(error) if is_known else error,
                            exc_info=None if is_known else error,
                            extra=extra,
                        )
                if pause:
                    self._stop.wait(pause)
                else:
                    self._told.wait(self._look_seconds)
                    self._told.clear()
        connections.close_all()

    def _round(self) -> None:
        with self._slow.watched("DueDelivery: who delivers", logger, bot=self._bot.alias):
            drop_broken_connections()
            is_on_duty = self._is_on_duty()
            if not is_on_duty:
                self._tell_of_neglect()
        if not is_on_duty:
            return
        if time.monotonic() - self._swept_at >= self._sweep_seconds:
            self._swept_at = time.monotonic()
            recover_lost()
        with notify.suppressed():
            with self._slow.watched("DueDelivery: which broadcasts", logger, bot=self._bot.alias):
                broadcasts = Broadcast.objects.filter(account=self._account_id).unsettled()
                statuses = dict(broadcasts.values_list("pk", "status"))
            self._deliver(broadcasts=bool(statuses))
            for broadcast_id, status in statuses.items():
                if status == Broadcast.Status.PREPARING:
                    self._prepare(broadcast_id)

    def _deliver(self, *, broadcasts: bool) -> None:
        while due_now(self._account_id, broadcasts=broadcasts):
            self._leave_if_stopped()
            if not deliverers.of(self._account_id).run(self._bot, bulk=True, stop=self._is_done):
                return

    def _tell_of_neglect(self) -> None:
        """DELIVERY leaves the work to workers, and there are none."""
        if conf.delivery != "workers" or time.monotonic() - self._swept_at < self._sweep_seconds:
            return
        self._swept_at = time.monotonic()
        duty = duty_of(BotAccount.objects.get(pk=self._account_id), timezone.now())
        if duty.is_neglected is not self._is_neglected:
            self._is_neglected = duty.is_neglected
            logger.log(
                logging.WARNING if duty.is_neglected else logging.INFO,
                "bot %s: %s",
                self._bot.alias,
                duty,
                extra={"bot": self._bot.alias},
            )

    def _prepare(self, broadcast_id: int) -> None:
        """Write its recipients; what is due sooner goes between them. One that cannot be prepared holds up no other."""
        if time.monotonic() < self._not_before.get(broadcast_id, 0):
            return
        try:
            expansion.prepare(broadcast_id, report=self._between_pages)
        except Stopped:
            raise
        except Exception as error:  # whatever its rows or the project's code bring about
            if is_outage(error):
                raise
            drop_broken_connections()
            self._not_before[broadcast_id] = time.monotonic() + PREPARATION_SECONDS
            logger.exception(
                "a broadcast could not be prepared, next try in %.0f s",
                PREPARATION_SECONDS,
                extra={"bot": self._bot.alias, "broadcast": broadcast_id},
            )

    def _between_pages(self, _written: int) -> None:
        self._leave_if_stopped()
        if any(account.replies for account in due_now(self._account_id, broadcasts=False)):
            with notify.suppressed():
                deliverers.of(self._account_id).run(self._bot, bulk=False, seconds=1.0, stop=self._is_done)

    def _is_done(self) -> bool:
        return self._stop.is_set()

    def _leave_if_stopped(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _is_on_duty(self) -> bool:
        on_duty = is_runbots_duty()
        if on_duty is not self._on_duty:
            self._on_duty = on_duty
            alias = self._bot.alias
            logger.info(
                "bot %s: %s delayed calls and broadcasts (DELIVERY is %s)",
                alias,
                "this process delivers" if on_duty else "Celery workers deliver",
                conf.delivery,
                extra={"bot": alias},
            )
        return on_duty
