"""What time does with broadcasts, whoever else is at work."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.broadcasts.conftest import Mailing, mark, statuses
from vkteams_bot import broadcasts, notify
from vkteams_bot.broadcasts import settling
from vkteams_bot.broadcasts.progress import status_counts
from vkteams_bot.broadcasts.settling import settle
from vkteams_bot.models import BotAccount, Broadcast

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

MINUTE = timedelta(minutes=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def changed(broadcast: Broadcast, **fields: Any) -> Broadcast:
    Broadcast.objects.filter(pk=broadcast.pk).update(**fields)
    broadcast.refresh_from_db()
    return broadcast


def status_of(broadcast: Broadcast) -> str:
    broadcast.refresh_from_db()
    return broadcast.status


def test_one_with_nothing_left_is_finished(mailing, now):
    broadcast = mailing.prepared(*"abc")
    assert settle(None, now) == {mailing.account.pk}
    mark(broadcast, "sent", "ab")
    mark(broadcast, "sending", "c")
    assert settle(None, now) == set()
    assert status_of(broadcast) == "running"
    mark(broadcast, "unknown", "c")
    assert settle(None, now) == set()
    assert status_of(broadcast) == "finished"
    assert (broadcast.counts, broadcast.finished_at) == ({"sent": 2, "unknown": 1}, now)
    assert settle(None, now) == set()


def test_rows_put_back_meanwhile_keep_it_running(mailing, now, monkeypatch):
    broadcast = mailing.prepared("a")
    mark(broadcast, "failed", "a")

    def retried_before(broadcast_id: int) -> dict[str, int]:
        mark(broadcast, "queued", "a")
        return status_counts(broadcast_id)

    monkeypatch.setattr(settling, "status_counts", retried_before)
    settle(None, now)
    assert status_of(broadcast) == "running"
    assert (broadcast.counts, broadcast.finished_at) == (None, None)


def test_it_starts_when_its_time_has_come(mailing, now):
    broadcast = mailing.prepared("a", starts_at=now + MINUTE)
    assert settle(None, now) == set()
    assert status_of(broadcast) == "scheduled"
    assert settle(None, now + MINUTE) == {mailing.account.pk}
    assert status_of(broadcast) == "running"
    assert broadcast.started_at == now + MINUTE


def test_quiet_hours_are_waited_out(mailing, now, settings):
    settings.TIME_ZONE = "UTC"
    broadcast = mailing.prepared("a", quiet_from=time(22), quiet_until=time(8))
    assert settle(None, now.replace(hour=23)) == set()
    assert settle(None, now.replace(hour=9)) == {mailing.account.pk}
    assert status_of(broadcast) == "running"


@pytest.mark.parametrize("status", ["running", "scheduled"])
def test_it_expires(mailing, now, status):
    broadcast = changed(mailing.prepared(*"abc"), expires_at=now + MINUTE, status=status, starts_at=now + MINUTE)
    mark(broadcast, "sent", "a")
    mark(broadcast, "sending", "b")
    settle(None, now)
    assert status_of(broadcast) == status
    settle(None, now + MINUTE)
    assert status_of(broadcast) == "expired"
    settle(None, now + MINUTE)
    assert statuses(broadcast) == {"sent": 1, "sending": 1, "dropped": 1}
    mark(broadcast, "sent", "b")
    settle(None, now + MINUTE)
    assert status_of(broadcast) == "expired"
    assert (broadcast.counts, broadcast.total) == ({"sent": 2, "dropped": 1}, 3)


def test_what_a_cancelled_one_does_not_send_is_dropped_step_by_step(mailing, now, monkeypatch):
    monkeypatch.setattr(settling, "DROPPED_AT_ONCE", 2)
    broadcast = mailing.prepared(*"abcde")
    broadcasts.cancel(broadcast)
    for dropped in (2, 4, 5):
        settle(None, now)
        assert statuses(broadcast).get("dropped") == dropped
        assert Broadcast.objects.get(pk=broadcast.pk).counts is None
    settle(None, now)
    broadcast.refresh_from_db()
    assert broadcast.counts == {"dropped": 5}
    with CaptureQueriesContext(connection) as queries:
        assert settle(None, now) == set()
    assert len(queries) == 1


def test_a_preparation_that_died_is_begun_again(mailing, now, monkeypatch, django_capture_on_commit_callbacks):
    told: list[Any] = []
    monkeypatch.setattr(notify, "publish", told.append)
    mailing.chats("a")
    broadcast = mailing.broadcast(status="preparing", started_at=now)

    def settled_at(moment: datetime) -> int:
        told.clear()
        connection.run_on_commit.clear()
        with django_capture_on_commit_callbacks(execute=True):
            settle(None, moment)
        return len(told)

    assert settled_at(now + MINUTE / 2) == 0
    assert settled_at(now + 2 * MINUTE) == 1
    assert told[0].args == (broadcast.pk,)
    assert settled_at(now + 2 * MINUTE) == 0
    assert status_of(broadcast) == "preparing"


def test_one_that_still_writes_is_left_alone(mailing, now):
    broadcast = changed(mailing.prepared("a"), status="preparing", started_at=now - 9 * MINUTE, total=None)
    settle(None, now)
    broadcast.refresh_from_db()
    assert broadcast.started_at == now - 9 * MINUTE


def test_one_bot_at_a_time(mailing, now):
    other = BotAccount.objects.create(alias="default", user_id="2")
    mine, theirs = mailing.prepared("a"), mailing.prepared("a", account=other)
    assert settle(other.pk, now) == {other.pk}
    assert settle(None, now) == {mailing.account.pk, other.pk}
    mark(mine, "sent", "a")
    mark(theirs, "sent", "a")
    settle(other.pk, now)
    assert (status_of(mine), status_of(theirs)) == ("running", "finished")


def test_an_operator_who_was_quicker_wins(mailing: Mailing, now, monkeypatch):
    broadcast = mailing.prepared("a")
    mark(broadcast, "sent", "a")
    change = settling._change

    def cancelled_before(found: Broadcast, **fields: object) -> bool:
        broadcasts.cancel(broadcast)
        return change(found, **fields)

    monkeypatch.setattr(settling, "_change", cancelled_before)
    settle(None, now)
    assert status_of(broadcast) == "cancelled"
