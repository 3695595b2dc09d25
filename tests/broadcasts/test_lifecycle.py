"""What operators may do when, and what stands about it afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.broadcasts.conftest import Mailing, mark, statuses
from tests.processes import wait_until
from vkteams_bot import broadcasts, notify
from vkteams_bot.broadcasts.lifecycle import advance, halt, reopen
from vkteams_bot.exceptions import BroadcastError
from vkteams_bot.models import Broadcast, BroadcastAction

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

ALLOWED = {
    "start": {"draft"},
    "pause": {"preparing", "scheduled", "running"},
    "resume": {"paused"},
    "cancel": {"preparing", "scheduled", "running", "paused"},
    "retry": {"running", "paused", "finished"},
}


def in_status(mailing: Mailing, status: str) -> Broadcast:
    broadcast = mailing.prepared("a", "b", "c")
    mark(broadcast, "failed", ["a"], error="blocked", finished_at=timezone.now())
    Broadcast.objects.filter(pk=broadcast.pk).update(status=status)
    broadcast.refresh_from_db()
    return broadcast


@pytest.mark.parametrize("verb", ALLOWED)
@pytest.mark.parametrize("status", Broadcast.Status.values)
def test_which_verb_is_possible_when(mailing, verb, status):
    broadcast = in_status(mailing, status)
    BroadcastAction.objects.all().delete()
    perform: Any = getattr(broadcasts, verb)
    if status in ALLOWED[verb]:
        perform(broadcast, user=mailing.operator)
        action = BroadcastAction.objects.get()
        assert (action.broadcast, action.action, action.user) == (broadcast, verb, mailing.operator)
        return
    with pytest.raises(BroadcastError, match=f"the broadcast is {Broadcast.Status(status).label}"):
        perform(broadcast, user=mailing.operator)
    broadcast.refresh_from_db()
    assert broadcast.status == status
    assert statuses(broadcast) == {"failed": 1, "queued": 2}
    assert not BroadcastAction.objects.exists()


@pytest.mark.parametrize(("first", "second"), [("pause", "pause"), ("cancel", "pause"), ("pause", "retry")])
def test_who_acts_on_what_is_outdated_is_told(mailing, first, second):
    """Two operators look at one running broadcast."""
    mine = mailing.prepared("a")
    theirs = Broadcast.objects.get(pk=mine.pk)
    getattr(broadcasts, first)(mine)
    with pytest.raises(BroadcastError):
        getattr(broadcasts, second)(theirs)
    assert theirs.status == mine.status


def test_what_is_wrong_does_not_start(mailing):
    broadcast = mailing.broadcast(text="<b>", parse_mode="HTML", quiet_from="22:00")
    with pytest.raises(BroadcastError, match=r"^text: .*; quiet until: give both ends"):
        broadcasts.start(broadcast)
    broadcast.refresh_from_db()
    assert broadcast.status == "draft"


def test_a_pause_before_the_start_waits_for_it_again(mailing):
    broadcast = mailing.prepared("a", starts_at=timezone.now() + timedelta(hours=1))
    broadcasts.pause(broadcast)
    broadcasts.resume(broadcast)
    assert broadcast.status == "scheduled"


def test_nothing_goes_on_after_the_expiry(mailing):
    broadcast = mailing.prepared("a")
    broadcasts.pause(broadcast)
    Broadcast.objects.filter(pk=broadcast.pk).update(expires_at=timezone.now())
    for verb in (broadcasts.resume, broadcasts.retry):
        with pytest.raises(BroadcastError, match="It has expired"):
            verb(broadcast)


def test_retry(mailing):
    broadcast = mailing.prepared(*"abcd")
    now = timezone.now()
    mark(broadcast, "sent", ["a"])
    mark(broadcast, "failed", ["b"], error="blocked", finished_at=now)
    mark(broadcast, "unknown", ["c", "d"], finished_at=now)
    Broadcast.objects.filter(pk=broadcast.pk).update(status="finished", finished_at=now, counts={"sent": 1})
    assert broadcasts.retry(broadcast) == 1
    assert statuses(broadcast) == {"sent": 1, "queued": 1, "unknown": 2}
    assert (broadcast.status, broadcast.finished_at, broadcast.counts) == ("running", None, None)
    row = broadcast.calls.get(chat_id="b")
    assert (row.error, row.finished_at) == ("", None)
    with pytest.raises(BroadcastError, match="nothing to retry"):
        broadcasts.retry(broadcast)
    assert broadcasts.retry(broadcast, unknown=True) == 2
    assert list(broadcast.actions.values_list("action", "note"))[:2] == [("retry", "with unknown ones"), ("retry", "")]


def test_a_retry_of_a_paused_one_stays_paused(mailing):
    broadcast = in_status(mailing, "paused")
    assert broadcasts.retry(broadcast) == 1
    assert broadcast.status == "paused"


@pytest.mark.django_db(transaction=True)
def test_verbs_wake_workers_once(mailing, monkeypatch):
    told: list[tuple[str, Any]] = []
    monkeypatch.setattr(notify, "publish", lambda message: told.append((message.task, message.args)))
    broadcast = in_status(mailing, "paused")
    for verb, count in [("resume", 1), ("retry", 1), ("pause", 0), ("cancel", 0)]:
        told.clear()
        getattr(broadcasts, verb)(broadcast)
        assert told == [("vkteams_bot.deliver", (mailing.account.pk, True))] * count


def test_a_fault_of_all_pauses_and_a_resume_forgets_it(mailing):
    broadcast = mailing.prepared("a")
    halt(broadcast.pk, "the token is wrong")
    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.error) == ("paused", "the token is wrong")
    broadcasts.resume(broadcast)
    assert (broadcast.status, broadcast.error) == ("running", "")
    broadcasts.cancel(broadcast)
    halt(broadcast.pk, "late")
    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.error) == ("cancelled", "")


def test_only_finished_ones_are_reopened(mailing):
    finished, cancelled = in_status(mailing, "finished"), in_status(mailing, "cancelled")
    reopen([finished.pk, cancelled.pk])
    finished.refresh_from_db()
    cancelled.refresh_from_db()
    assert (finished.status, cancelled.status) == ("running", "cancelled")


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_one_that_is_being_finished_sees_what_is_put_back(mailing):
    """Its rows are put back in a transaction that is not over while somebody finds that nothing waits."""
    with notify.suppressed():
        broadcast = mailing.prepared("a")
    mark(broadcast, "unknown", ["a"])

    def advance_there() -> None:
        try:
            advance(None, timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            reopen([broadcast.pk])
            mark(broadcast, "queued", ["a"])
            advancing = thread.submit(advance_there)
            wait_until(
                lambda: advancing.done() or _somebody_waits_for_a_lock(), 10, "it waits for the lock, or is over"
            )
        advancing.result(10)
    broadcast.refresh_from_db()
    assert (broadcast.status, statuses(broadcast)) == ("running", {"queued": 1})


def _somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("status", Broadcast.Status.values)
def test_one_that_is_at_work_cannot_be_deleted(mailing, status):
    broadcast, other = in_status(mailing, status), in_status(mailing, "finished")
    if status in ("preparing", "scheduled", "running"):
        for delete in (broadcast.delete, Broadcast.objects.all().delete):
            with pytest.raises(BroadcastError, match="“News” is at work: cancel it first"):
                delete()
        assert Broadcast.objects.count() == 2
        return
    broadcast.delete()
    assert list(Broadcast.objects.all()) == [other]
    Broadcast.objects.all().delete()
    assert not Broadcast.objects.exists()
