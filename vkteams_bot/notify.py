"""Telling Celery workers to look. Rows, not payloads, travel in the broker: a wake-up that is lost loses nothing."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.db import connection, transaction

from vkteams_bot.conf import conf

logger = logging.getLogger("vkteams_bot.worker")

DELIVER = "vkteams_bot.deliver"
PREPARE = "vkteams_bot.prepare_broadcast"
SWEEP = "vkteams_bot.sweep"
PRUNE = "vkteams_bot.prune"
QUIET_SECONDS = 1.0
# A connection that a broker's restart broke is replaced once; a broker that is away delays the caller no further.
RETRY_ONCE = {"max_retries": 1, "interval_start": 0, "interval_max": 0}

_suppressed: ContextVar[bool] = ContextVar("vkteams_bot_silenced", default=False)


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A message to workers: which task, and a row's id. After `expires` seconds it is dropped unread."""

    task: str
    args: tuple[int | bool, ...]
    queue: str
    expires: float | None = None

    def __call__(self) -> None:
        publish(self)


def deliver(account_id: int, *, bulk: bool = False) -> None:
    """After the caller's transaction let a worker deliver what is due, once however often this is called in it.

    `bulk`: by the queue of broadcasts. Never raises for the broker: the sweep finds what nobody was told of.
    """
    _after_commit(delivery(account_id, bulk=bulk))


def expand(broadcast_id: int) -> None:
    """After the caller's transaction let a worker write the recipients of a broadcast."""
    _after_commit(TaskMessage(PREPARE, (broadcast_id,), conf.bulk_queue))


def delivery(account_id: int, *, bulk: bool, expires: float | None = None) -> TaskMessage:
    """The message that `deliver` sends; call it to send it at once."""
    return TaskMessage(DELIVER, (account_id, bulk), conf.bulk_queue if bulk else conf.reply_queue, expires)


@contextlib.contextmanager
def suppressed() -> Iterator[None]:
    """Inside, nobody is told: this thread delivers itself."""
    token = _suppressed.set(True)
    try:
        yield
    finally:
        _suppressed.reset(token)


def _after_commit(message: TaskMessage) -> None:
    if any(entry[1] == message for entry in connection.run_on_commit):
        return
    transaction.on_commit(message)


_away_until = 0.0


def publish(message: TaskMessage) -> None:
    """Hand it to the broker now. While the broker is away it is not tried with every call."""
    global _away_until
    if _suppressed.get() or time.monotonic() < _away_until:
        return
    options: dict[str, Any] = {} if message.expires is None else {"expires": message.expires}
    try:
        current_app.tasks[message.task].apply_async(
            message.args, queue=message.queue, retry=True, retry_policy=RETRY_ONCE, ignore_result=True, **options
        )
    except Exception as error:  # Whatever a broker's library raises, the rows are written.
        _away_until = time.monotonic() + QUIET_SECONDS
        logger.warning("no worker was told of new calls, the next sweep finds them: %s", type(error).__name__)
