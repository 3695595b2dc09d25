"""A Celery worker in a thread of this process, and what beat would do, on a broker in memory."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from celery import signals
from celery.app import app_or_default
from celery.worker import WorkController, state

from vkteams_bot import notify
from vkteams_bot.beat import SWEEP_SECONDS
from vkteams_bot.conf import conf
from vkteams_bot.worker.sender import sender

logger = logging.getLogger("vkteams_bot.worker")

STOP_SECONDS = 1.0
"""How long answers are waited for when it stops; then they are unknown."""
CUT_SECONDS = 0.5
NUDGE_SECONDS = 0.1
IN_MEMORY = {
    "broker_read_url": "memory://localhost/",
    "broker_write_url": "memory://localhost/",
    "broker_transport_options": {"polling_interval": 0.05},
    "broker_use_ssl": False,
    "task_always_eager": False,
    "worker_enable_remote_control": False,
}


class InProcessWorker:
    """Runs all tasks that this process starts, of the project, too. One per process, started and stopped once.

    `died` is called, in the worker's thread, when it ends without being asked to; the log says why.
    """

    def __init__(self, died: Callable[[], object]) -> None:
        self._died = died
        self._app = app_or_default()
        self._stopping = threading.Event()
        # Daemons: a task that hangs must not keep the process.
        self._worker = threading.Thread(target=self._work, name="in-process worker", daemon=True)
        self._beat = threading.Thread(target=self._sweep_regularly, name="in-process beat", daemon=True)

    def start(self) -> None:
        """From now on no task of this process goes to the broker of the settings."""
        self._app.conf.update(IN_MEMORY)
        self._worker.start()
        self._beat.start()

    def stop(self) -> None:
        """Send nothing more and wait for what is on its way; blocks, for at most 2 s."""
        self._stopping.set()
        signals.worker_shutting_down.send(sender=self, sig="SIGTERM", how="Warm", exitcode=0)
        state.should_stop = 0  # type: ignore[assignment]
        self._join(STOP_SECONDS)
        sender.close()
        self._join(CUT_SECONDS)
        if self._worker.is_alive():
            logger.warning("a task did not end and is cut short")

    def _work(self) -> None:
        try:
            WorkController(
                app=self._app,
                hostname="playground@localhost",
                pool="solo",
                queues=[*self._app.amqp.queues, conf.reply_queue, conf.bulk_queue],
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
            ).start()
        except Exception:
            logger.exception("the worker does not start")
        if not self._stopping.is_set():
            self._died()

    def _sweep_regularly(self) -> None:
        _sweep()
        while not self._stopping.wait(SWEEP_SECONDS):
            _sweep()

    def _join(self, seconds: float) -> None:
        """Celery looks whether it should stop after each message, or every 2 s: so give it some."""
        end = time.monotonic() + seconds
        while self._worker.is_alive() and time.monotonic() < end:
            _sweep()
            self._worker.join(NUDGE_SECONDS)


def _sweep() -> None:
    notify.TaskMessage(notify.SWEEP, (), conf.reply_queue)()
