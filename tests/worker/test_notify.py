"""The broker is told, and its absence hurts nobody."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, current_app
from django.db import connection
from django.test import TestCase

from tests.worker.conftest import Server
from vkteams_bot import bot, bots, notify
from vkteams_bot.backoff import BROKER
from vkteams_bot.beat import beat_schedule
from vkteams_bot.circuit_breaker import CircuitBreaker
from vkteams_bot.models import OutgoingCall
from vkteams_bot.worker.sender import sender


@pytest.fixture
def celery_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """The app of this process, with a broker that is not there."""
    before = current_app.conf.broker_url
    current_app.conf.update(broker_url="redis://127.0.0.1:1/0")
    monkeypatch.setattr(notify, "_broker", CircuitBreaker(failures=1, backoff=BROKER))
    yield current_app
    current_app.conf.update(broker_url=before)


@pytest.mark.django_db(transaction=True)
def test_without_a_broker_the_row_stands_and_the_caller_goes_on(celery_app: Celery, caplog: Any):
    with caplog.at_level(logging.WARNING, "vkteams_bot.worker"):
        bot.send_text("a@example.com", "1").delay()
        bot.send_text("a@example.com", "2").delay()
    assert OutgoingCall.objects.count() == 2
    # The second was not even tried.
    assert [record.getMessage() for record in caplog.records] == [
        "the broker takes no messages, what is due is found by the next sweep: OperationalError"
    ]


@pytest.mark.django_db(transaction=True)
def test_a_task_that_celery_does_not_know_is_no_failure_of_the_broker(
    celery_app: Celery, monkeypatch: pytest.MonkeyPatch, caplog: Any
):
    published: list[Any] = []
    task = celery_app.tasks[notify.DELIVER]
    monkeypatch.setattr(type(task), "apply_async", lambda self, *args, **options: published.append(args))
    with caplog.at_level(logging.WARNING, "vkteams_bot.worker"):
        notify.TaskMessage("vkteams_bot.unknown", (1,), "celery")()
        bot.send_text("a@example.com", "1").delay()
    [record] = caplog.records
    assert "Celery has no task vkteams_bot.unknown" in record.getMessage()
    assert len(published) == 1  # the broker does not count as away


class EagerTests(TestCase):
    """How a project's own tests see it: in a transaction, tasks run in place, only the server is not there."""

    def setUp(self) -> None:
        self.server = Server()
        bots.override("default", transport=self.server)
        self.addCleanup(bots.restore, "default")
        self.addCleanup(sender.close)
        current_app.conf.update(task_always_eager=True, task_eager_propagates=True)
        self.addCleanup(current_app.conf.update, task_always_eager=False, task_eager_propagates=False)

    def test_tasks_in_place(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            bot.send_text("a@example.com", "1").delay()
            assert self.server.texts == []
        assert self.server.texts == ["1"]
        assert OutgoingCall.objects.get().status == "sent"
        assert connection.in_atomic_block

    def test_again_in_another_transaction(self) -> None:
        self.test_tasks_in_place()


def test_the_schedule_names_tasks_that_exist(celery_app: Celery):
    schedule = beat_schedule()
    assert set(schedule) == {"vkteams_bot.sweep", "vkteams_bot.prune"}
    for entry in schedule.values():
        assert entry["task"] in celery_app.tasks
    assert schedule["vkteams_bot.sweep"]["options"]["queue"] == "vkteams.reply"


def test_the_package_can_be_imported_before_django_is_set_up():
    import subprocess
    import sys

    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'\n"
        "from vkteams_bot.beat import beat_schedule; print(len(beat_schedule()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "2\n"
