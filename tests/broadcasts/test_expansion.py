"""One row per recipient, written in chunks, whatever happens in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.broadcasts.conftest import Mailing, recipients_of
from vkteams_bot import broadcasts, notify
from vkteams_bot.broadcasts import audience, audiences, expansion
from vkteams_bot.models import Broadcast, OutgoingCall

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

prepare = partial(expansion.prepare, chunk_size=3)


def started(mailing: Mailing, **fields) -> Broadcast:
    broadcast = mailing.broadcast(**fields)
    broadcasts.start(broadcast)
    return broadcast


def test_a_row_per_recipient_in_order(mailing):
    mailing.chats(*"abcdefg")
    broadcast = started(mailing)
    told: list[int] = []
    assert prepare(broadcast.pk, report=told.append)
    assert recipients_of(broadcast) == [*"abcdefg"]
    assert told == [3, 6, 7]
    row = broadcast.calls.get(chat_id="a")
    assert (row.account, row.origin, row.priority, row.method) == (mailing.account, "broadcast", 2, "messages/sendText")
    assert (row.status, row.params, row.attempts, row.due_at) == ("queued", {}, 0, None)
    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.total) == ("running", 7)
    assert broadcast.started_at is not None
    assert timezone.now() - broadcast.started_at < timedelta(minutes=1)


def test_columns_and_files(mailing):
    given = {"file": ContentFile(b"x", name="x.txt"), "recipients": "chat_id;sum\na;1\nb;"}
    broadcast = started(mailing, audience="list", **given)
    assert prepare(broadcast.pk)
    params = dict(broadcast.calls.values_list("chat_id", "params"))
    assert params == {"a": {"vars": {"sum": "1"}}, "b": {"vars": {"sum": ""}}}
    assert set(broadcast.calls.values_list("method", flat=True)) == {"messages/sendFile"}


def test_the_time_of_its_start_is_waited_for(mailing):
    mailing.chats("a")
    broadcast = started(mailing, starts_at=timezone.now() + timedelta(hours=1))
    prepare(broadcast.pk)
    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.total) == ("scheduled", 1)


def test_begun_again_after_a_crash_it_writes_nobody_twice(mailing):
    mailing.chats(*"abcdefg")
    broadcast = started(mailing)

    def die(_count: int) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        prepare(broadcast.pk, report=die)
    assert recipients_of(broadcast) == [*"abc"]
    assert prepare(broadcast.pk)
    assert recipients_of(broadcast) == [*"abcdefg"]
    assert not prepare(broadcast.pk)
    assert broadcast.calls.count() == 7


@pytest.mark.django_db(transaction=True)
def test_two_that_prepare_at_once_write_nobody_twice(mailing):
    names = [f"user{number:02}" for number in range(60)]
    mailing.chats(*names)
    ready = threading.Barrier(2)

    def work() -> bool:
        with notify.suppressed():
            ready.wait(10)
            try:
                return prepare(broadcast.pk)
            finally:
                connection.close()

    with notify.suppressed():
        broadcast = started(mailing)
    with ThreadPoolExecutor(2) as threads:
        results = [future.result(30) for future in [threads.submit(work), threads.submit(work)]]
    assert sorted(results) == [False, True]
    assert sorted(recipients_of(broadcast)) == names
    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.total) == ("running", 60)


@pytest.mark.parametrize("verb", [broadcasts.pause, broadcasts.cancel])
def test_it_stops_between_two_chunks(mailing, verb):
    mailing.chats(*"abcdefg")
    broadcast = started(mailing)
    assert not prepare(broadcast.pk, report=lambda count: verb(broadcast) if count == 6 else None)
    assert recipients_of(broadcast) == [*"abcdef"]
    broadcast.refresh_from_db()
    assert broadcast.total is None
    assert broadcast.status in ("paused", "cancelled")


def test_after_a_pause_it_is_prepared_to_the_end(mailing):
    mailing.chats(*"abcdefg")
    broadcast = started(mailing)
    assert not prepare(broadcast.pk, report=lambda count: broadcasts.pause(broadcast) if count == 3 else None)
    broadcasts.resume(broadcast)
    assert broadcast.status == "preparing"
    assert prepare(broadcast.pk)
    assert recipients_of(broadcast) == [*"abcdefg"]


def test_a_segment_that_became_wrong_pauses_it(mailing):
    audience("all")(lambda: User.objects.values_list("last_name", flat=True))
    broadcast = started(mailing, audience="segment", segment="all")
    audiences._segments.clear()
    assert not prepare(broadcast.pk)
    broadcast.refresh_from_db()
    assert broadcast.status == "paused"
    assert "no app declares the segment 'all'" in broadcast.error


def test_nobody(mailing):
    broadcast = started(mailing)
    assert prepare(broadcast.pk)
    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.total) == ("running", 0)


def test_workers_are_told_after_the_commit(mailing, monkeypatch, django_capture_on_commit_callbacks):
    told: list[notify.TaskMessage] = []
    monkeypatch.setattr(notify, "publish", told.append)
    mailing.chats("a")
    with django_capture_on_commit_callbacks(execute=True):
        broadcast = started(mailing)
    assert [(message.task, message.args) for message in told] == [("vkteams_bot.prepare_broadcast", (broadcast.pk,))]
    told.clear()
    with django_capture_on_commit_callbacks(execute=True):
        prepare(broadcast.pk)
    assert [(message.task, message.args) for message in told] == [("vkteams_bot.deliver", (mailing.account.pk, True))]


def test_a_chunk_costs_a_constant_number_of_statements(mailing):
    mailing.chats(*(f"user{number:03}" for number in range(120)))

    def statements(size: int) -> int:
        broadcast = started(mailing)
        with CaptureQueriesContext(connection) as queries:
            prepare(broadcast.pk, chunk_size=size)
        return len(queries)

    # Two pages more: each is looked up, sieved, and written in a transaction of its own that locks the broadcast.
    assert statements(30) - statements(60) == 2 * 6
    assert OutgoingCall.objects.count() == 240
