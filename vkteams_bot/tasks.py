"""Celery tasks. They carry ids of rows; running one twice, or late, does no harm."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

from celery import shared_task, signals
from django.db import Error, connections

from vkteams_bot import notify, worker
from vkteams_bot.broadcasts import expansion
from vkteams_bot.conf import conf
from vkteams_bot.pruning import Ages, Pruning, before
from vkteams_bot.stores.threads import is_connection_loss

logger = logging.getLogger("vkteams_bot.worker")
_stopping = threading.Event()


@signals.worker_shutting_down.connect
def stop_claiming(**_: Any) -> None:
    """A worker whose tasks run in this process (solo, threads) does not take the rest of its 5 s."""
    _stopping.set()


@contextlib.contextmanager
def left_to_the_next_sweep() -> Iterator[None]:
    """A lost database ends the task with a line, not with a traceback every few seconds."""
    try:
        yield
    except Error as error:
        if not is_connection_loss(error):
            raise
        logger.warning("the database is away, the next sweep goes on: %s", error)
        connections.close_all()


@shared_task(name=notify.DELIVER, ignore_result=True, acks_late=True)
def deliver(account_id: int, bulk: bool) -> None:
    """Send what is due for an account."""
    with left_to_the_next_sweep():
        if worker.deliver(account_id, bulk=bulk, stop=_stopping.is_set):
            notify.delivery(account_id, bulk=bulk)()


@shared_task(name=notify.PREPARE, ignore_result=True, acks_late=True)
def prepare_broadcast(broadcast_id: int) -> None:
    """Write the recipients of a broadcast."""
    with left_to_the_next_sweep():
        expansion.prepare(broadcast_id)


@shared_task(name=notify.SWEEP, ignore_result=True)
def sweep() -> None:
    """Find what nobody was told of. Every few seconds, by beat."""
    with left_to_the_next_sweep():
        worker.sweep()


@shared_task(name=notify.PRUNE, ignore_result=True)
def prune() -> None:
    """Delete what is old. Daily, by beat."""
    updates, messages = before(conf.keep_updates_days), before(conf.keep_messages_days)
    Pruning(Ages(updates=updates, calls=updates, messages=messages)).run()
