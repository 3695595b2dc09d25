"""What time does with broadcasts, whoever else is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.broadcasts.conftest import Mailing, mark, statuses
from vkteams_bot import broadcasts, notify
from vkteams_bot.broadcasts.lifecycle import advance
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
    assert advance(None, now) == {mailing.account.pk}
    mark(broadcast, "sent", "ab")
    mark(broadcast, "sending", "c")
    assert advance(None, now) == set()
    assert status_of(broadcast) == "running"
    mark(broadcast, "unknown", "c")
    assert advance(None, now) == set()
    assert status_of(broadcast) == "finished"
    assert (broadcast.counts, broadcast.finished_at) == ({"sent": 2, "unknown": 1}, now)
    assert advance(None, now) == set()


@contextmanager
def before_first_update(act: Callable[[], object]) -> Iterator[None]:
    """Somebody else acts between what `advance` has read and the first thing that it writes."""
    acted: list[object] = []

    def wrapper(execute: Any, statement: str, *args: Any) -> Any:
        if statement.startswith("UPDATE") and not acted:
            acted.append(act)
            act()
        return execute(statement, *args)

    with connection.execute_wrapper(wrapper):
        yield
    assert acted


def test_rows_put_back_meanwhile_keep_it_running(mailing, now):
    broadcast = mailing.prepared("a")
    mark(broadcast, "failed", "a")
    with before_first_update(lambda: mark(broadcast, "queued", "a")):
        advance(None, now)
    assert status_of(broadcast) == "running"
    assert (broadcast.counts, broadcast.finished_at) == (None, None)


def test_it_starts_when_its_time_has_come(mailing, now):
    broadcast = mailing.prepared("a", starts_at=now + MINUTE)
    assert advance(None, now) == set()
    assert status_of(broadcast) == "scheduled"
    assert advance(None, now + MINUTE) == {mailing.account.pk}
    assert status_of(broadcast) == "running"
    assert broadcast.started_at == now + MINUTE


def test_quiet_hours_are_waited_out(mailing, now, settings):
    settings.TIME_ZONE = "UTC"
    broadcast = mailing.prepared("a", quiet_from=time(22), quiet_until=time(8))
    assert advance(None, now.replace(hour=23)) == set()
    assert advance(None, now.replace(hour=9)) == {mailing.account.pk}
    assert status_of(broadcast) == "running"


@pytest.mark.parametrize("status", ["running", "scheduled"])
def test_it_expires(mailing, now, status):
    broadcast = changed(mailing.prepared(*"abc"), expires_at=now + MINUTE, status=status, starts_at=now + MINUTE)
    mark(broadcast, "sent", "a")
    mark(broadcast, "sending", "b")
    advance(None, now)
    assert status_of(broadcast) == status
    advance(None, now + MINUTE)
    assert status_of(broadcast) == "expired"
    advance(None, now + MINUTE)
    assert statuses(broadcast) == {"sent": 1, "sending": 1, "dropped": 1}
    mark(broadcast, "sent", "b")
    advance(None, now + MINUTE)
    assert status_of(broadcast) == "expired"
    assert (broadcast.counts, broadcast.total) == ({"sent": 2, "dropped": 1}, 3)


def test_what_a_cancelled_one_does_not_send_is_dropped_step_by_step(mailing, now):
    broadcast = mailing.prepared(*"abcde")
    broadcasts.cancel(broadcast)
    for dropped in (2, 4, 5):
        advance(None, now, dropped_at_once=2)
        assert statuses(broadcast).get("dropped") == dropped
        assert Broadcast.objects.get(pk=broadcast.pk).counts is None
    advance(None, now)
    broadcast.refresh_from_db()
    assert broadcast.counts == {"dropped": 5}
    with CaptureQueriesContext(connection) as queries:
        assert advance(None, now) == set()
    assert len(queries) == 1


def test_a_preparation_that_died_is_begun_again(mailing, now, monkeypatch, django_capture_on_commit_callbacks):
    told: list[Any] = []
    monkeypatch.setattr(notify, "publish", told.append)
    mailing.chats("a")
    broadcast = mailing.broadcast(status="preparing", started_at=now)

    def restarts_at(moment: datetime) -> int:
        told.clear()
        connection.run_on_commit.clear()
        with django_capture_on_commit_callbacks(execute=True):
            advance(None, moment)
        return len(told)

    assert restarts_at(now + MINUTE / 2) == 0
    assert restarts_at(now + 2 * MINUTE) == 1
    assert told[0].args == (broadcast.pk,)
    assert restarts_at(now + 2 * MINUTE) == 0
    assert status_of(broadcast) == "preparing"
    advance(None, now + 2.2 * MINUTE, preparation_seconds=6)
    broadcast.refresh_from_db()
    assert broadcast.started_at == now + 2.2 * MINUTE


def test_one_that_still_writes_is_left_alone(mailing, now):
    broadcast = changed(mailing.prepared("a"), status="preparing", started_at=now - 9 * MINUTE, total=None)
    advance(None, now)
    broadcast.refresh_from_db()
    assert broadcast.started_at == now - 9 * MINUTE


def test_one_bot_at_a_time(mailing, now):
    other = BotAccount.objects.create(alias="default", user_id="2")
    mine, theirs = mailing.prepared("a"), mailing.prepared("a", account=other)
    assert advance(other.pk, now) == {other.pk}
    assert advance(None, now) == {mailing.account.pk, other.pk}
    mark(mine, "sent", "a")
    mark(theirs, "sent", "a")
    advance(other.pk, now)
    assert (status_of(mine), status_of(theirs)) == ("running", "finished")


def test_an_operator_who_was_quicker_wins(mailing: Mailing, now):
    broadcast = mailing.prepared("a")
    mark(broadcast, "sent", "a")
    with before_first_update(lambda: broadcasts.cancel(broadcast)):
        advance(None, now)
    assert status_of(broadcast) == "cancelled"
