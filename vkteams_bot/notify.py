"""Telling whoever delivers to look. Rows, not payloads, travel in the broker: a message that is lost loses nothing."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from celery import current_app
from celery.exceptions import NotRegistered
from django.db import connection, transaction

from vkteams_bot.backoff import BROKER
from vkteams_bot.circuit_breaker import CircuitBreaker
from vkteams_bot.conf import conf

logger = logging.getLogger("vkteams_bot.worker")

DELIVER = "vkteams_bot.deliver"
PREPARE = "vkteams_bot.prepare_broadcast"
SWEEP = "vkteams_bot.sweep"
PRUNE = "vkteams_bot.prune"
# A connection that a broker's restart broke is replaced once; a broker that is away delays the caller no further.
RETRY_ONCE = {"max_retries": 1, "interval_start": 0, "interval_max": 0}

_suppressed: ContextVar[bool] = ContextVar("vkteams_bot_suppressed", default=False)
_broker = CircuitBreaker(failures=1, backoff=BROKER)


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
    """After the caller's transaction let somebody deliver what is due, once however often this is called in it.

    `bulk`: by the queue of broadcasts. Never raises for the broker: the sweep finds what nobody was told of.
    """
    _after_commit(delivery(account_id, bulk=bulk))


def expand(broadcast_id: int) -> None:
    """After the caller's transaction let somebody write the recipients of a broadcast."""
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


class Listeners:
    """Who delivers in this very process: told at once, without a broker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Callable[[], object]] = set()

    @contextlib.contextmanager
    def listening(self, listener: Callable[[], object]) -> Iterator[None]:
        """Inside, `listener` is called, in whatever thread, whenever there may be something to deliver."""
        with self._lock:
            self._listeners.add(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def tell(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


listeners = Listeners()


def has_broker() -> bool:
    """The project's Celery has a broker. Without one it would look for RabbitMQ on this machine, in vain."""
    return bool(current_app.conf.broker_write_url or current_app.conf.task_always_eager)


def publish(message: TaskMessage) -> None:
    """Hand it to the broker now. While the broker is away it is not tried with every call."""
    if _suppressed.get():
        return
    listeners.tell()
    if conf.delivery == "runbot" or not has_broker() or not _broker.allows():
        return
    options: dict[str, Any] = {} if message.expires is None else {"expires": message.expires}
    try:
        current_app.tasks[message.task].apply_async(
            message.args, queue=message.queue, retry=True, retry_policy=RETRY_ONCE, ignore_result=True, **options
        )
    except NotRegistered:
        logger.error(
            "Celery has no task %s: let the project's app call autodiscover_tasks(), and import it in __init__.py",
            message.task,
        )
    except Exception as error:  # whatever a broker's library raises: the rows are written, and the sweep finds them
        _broker.record_failure()
        logger.warning(
            "the broker takes no messages, what is due is found by the next sweep: %s",
            type(error).__name__,
            exc_info=logger.isEnabledFor(logging.DEBUG),
        )
    else:
        _broker.record_success()
