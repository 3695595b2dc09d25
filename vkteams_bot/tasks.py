"""Celery tasks. They carry ids of rows; running one twice, or late, does no harm."""

import contextlib
import logging
import mmap
from collections.abc import Iterator
from typing import Any

from celery import Task, shared_task, signals
from django.db import Error, connections

from vkteams_bot import notify, worker
from vkteams_bot.broadcasts import expansion
from vkteams_bot.conf import conf
from vkteams_bot.pruning import Ages, Pruning, before
from vkteams_bot.stores.connection_defaults import set_connection_defaults
from vkteams_bot.stores.outages import is_outage
from vkteams_bot.stores.slow_calls import slow_calls
from vkteams_bot.stores.wrong_database import NotMigrated, is_unmigrated
from vkteams_bot.worker.heartbeats import heartbeat
from vkteams_bot.worker.sweeping import notify_of

logger = logging.getLogger("vkteams_bot.worker")
_stopping = mmap.mmap(-1, 1)
"""Not 0 when the worker is to stop. The processes that a worker forks share it: Celery tells them nothing."""


def is_stopping() -> bool:
    """The worker of this process is to end."""
    return _stopping[0] != 0


@signals.worker_init.connect
def watch_the_database(**_: Any) -> None:
    """Before there are connections, and before Celery forks."""
    set_connection_defaults()
    slow_calls.give_up = is_stopping


@signals.worker_shutting_down.connect
def stop_claiming(**_: Any) -> None:
    """Runs do not take the rest of their 5 s, and a call of ours that hangs in the database is cut."""
    _stopping[0] = 1


@signals.worker_shutdown.connect
def say_farewell(sender: Any, **_: Any) -> None:
    """Polling processes take the work back at once."""
    with left_to_the_next_sweep():
        heartbeat.end(sender.hostname)


@contextlib.contextmanager
def left_to_the_next_sweep() -> Iterator[None]:
    """A lost database, or one without our tables, ends the task with a line, not a traceback every few seconds."""
    try:
        yield
    except Error as error:
        if is_unmigrated(error):
            logger.error("%s", NotMigrated(error))
        elif is_outage(error):
            logger.warning("the database is away, the next sweep goes on: %s", error)
        else:
            raise
        connections.close_all()


def _beat(task: Task[Any, Any]) -> None:
    """Not for a task that is called as a function, or eagerly by whoever sends it."""
    if not task.request.called_directly and not task.request.is_eager and task.request.hostname:
        heartbeat.beat(task.request.hostname)


@shared_task(name=notify.DELIVER, ignore_result=True, acks_late=True, bind=True)
def deliver(self: Task[Any, Any], account_id: int, bulk: bool) -> None:
    """Send what is due for an account."""

    def stop() -> bool:
        if not is_stopping():
            _beat(self)  # while it runs, too: a worker of one slot sweeps only between its runs
        return is_stopping()

    with left_to_the_next_sweep():
        _beat(self)
        if worker.deliver(account_id, bulk=bulk, stop=stop):
            notify.delivery(account_id, bulk=bulk)()


@shared_task(name=notify.PREPARE, ignore_result=True, acks_late=True, bind=True)
def prepare_broadcast(self: Task[Any, Any], broadcast_id: int) -> None:
    """Write the recipients of a broadcast."""
    with left_to_the_next_sweep():
        expansion.prepare(broadcast_id, report=lambda _written: _beat(self))


@shared_task(name=notify.SWEEP, ignore_result=True, bind=True)
def sweep(self: Task[Any, Any]) -> None:
    """Find what nobody was told of. Every few seconds, by beat."""
    with left_to_the_next_sweep():
        _beat(self)
        notify_of(worker.sweep())


@shared_task(name=notify.PRUNE, ignore_result=True, bind=True)
def prune(self: Task[Any, Any]) -> None:
    """Delete what is old. Daily, by beat."""
    updates, messages = before(conf.keep_updates_days), before(conf.keep_messages_days)
    ages = Ages(updates=updates, calls=updates, messages=messages)
    Pruning(ages, lambda _table, _deleted, _share: _beat(self)).run()
