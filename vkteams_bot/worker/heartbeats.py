"""Signs of life of Celery workers: while one lives, polling processes leave what is due to it."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta

from django.db import connection

from vkteams_bot.models import Worker
from vkteams_bot.stores import sql
from vkteams_bot.stores.slow_calls import slow_calls

logger = logging.getLogger("vkteams_bot.worker")

ALIVE_SECONDS = 6.0
"""A worker that was silent for so long counts as gone. Beat makes one of them sweep every 2 s."""
BEAT_SECONDS = 2.0
KEPT_SECONDS = 3600.0


class Heartbeat:
    """Notes that a worker lives, at most every BEAT_SECONDS per process, however often it is told."""

    def __init__(self, every_seconds: float = BEAT_SECONDS) -> None:
        self._every_seconds = every_seconds
        self._lock = threading.Lock()
        self._noted: dict[str, float] = {}

    def beat(self, name: str) -> None:
        moment = time.monotonic()
        with self._lock:
            if moment - self._noted.get(name, float("-inf")) < self._every_seconds:
                return
            self._noted[name] = moment
        now = {"last_heartbeat": (sql.later(0), ())}
        lives = "ON CONFLICT (name) DO UPDATE SET last_heartbeat = excluded.last_heartbeat"
        with slow_calls.watched("Heartbeat.beat", logger):
            sql.insert(Worker, ("name",), [(sql.storable(name, 255),)], computed=now, then=lives)
            Worker.objects.filter(last_heartbeat__lt=sql.clock() - timedelta(seconds=KEPT_SECONDS)).delete()

    def end(self, name: str) -> None:
        """The worker stops: others need not wait until it counts as gone."""
        with self._lock:
            self._noted.pop(name, None)
        with slow_calls.watched("Heartbeat.end", logger):
            Worker.objects.filter(name=sql.storable(name, 255)).delete()


heartbeat = Heartbeat()


def some_worker_lives() -> bool:
    """By the clock of the database, which wrote the heartbeats."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM {sql.table(Worker)} WHERE last_heartbeat > {sql.later(-ALIVE_SECONDS)} LIMIT 1", []
        )
        return cursor.fetchone() is not None
