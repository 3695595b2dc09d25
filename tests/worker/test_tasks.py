"""Celery's side of a delivery."""

from __future__ import annotations

import pytest
from celery import signals

from tests.worker.conftest import Office
from vkteams_bot import notify, tasks

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def test_a_worker_that_is_told_to_stop_hands_on(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "_stopping", bytearray(1))
    office.delay("1")
    office.notices.clear()
    signals.worker_shutting_down.send(sender="worker", sig="SIGTERM", how="Warm", exitcode=0)
    tasks.deliver(office.account_id, bulk=False)
    assert office.statuses() == ["queued"]
    assert office.notices == [notify.delivery(office.account_id, bulk=False)]
