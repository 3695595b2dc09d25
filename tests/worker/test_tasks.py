"""Celery's side of a delivery."""

from __future__ import annotations

import os

import pytest
from celery import signals
from django.db import DatabaseError, connection

from tests.worker.conftest import Office
from vkteams_bot import notify, tasks
from vkteams_bot.stores.slow_calls import slow_calls

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def test_a_worker_that_is_told_to_stop_hands_on(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "_stopping", bytearray(1))
    office.delay("1")
    office.notices.clear()
    signals.worker_shutting_down.send(sender="worker", sig="SIGTERM", how="Warm", exitcode=0)
    tasks.deliver(office.account_id, bulk=False)
    assert office.statuses() == ["queued"]
    assert office.notices == [notify.delivery(office.account_id, bulk=False)]


@pytest.mark.django_db(transaction=True)
def test_a_table_that_is_missing_ends_a_task_with_one_line(caplog: pytest.LogCaptureFixture):
    """Every sweep logged a traceback."""
    with tasks.left_to_the_next_sweep(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM nowhere")
    [record] = caplog.records
    assert (record.levelname, record.name, record.exc_info) == ("ERROR", "vkteams_bot.worker", None)
    assert record.getMessage().endswith(": run manage.py migrate")


def test_any_other_failure_is_celerys_to_tell():
    with pytest.raises(DatabaseError), tasks.left_to_the_next_sweep():
        raise DatabaseError("no")


def test_processes_that_a_worker_forks_hear_that_it_stops(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slow_calls, "give_up", slow_calls.give_up)
    tasks.watch_the_database()
    assert not slow_calls.give_up()
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(readable, 1)
        os._exit(7 if slow_calls.give_up() else 1)
    try:
        tasks.stop_claiming()
        os.write(writable, b".")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    finally:
        tasks._stopping[0] = 0
        os.close(readable)
        os.close(writable)
