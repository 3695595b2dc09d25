"""The sweep finds what a dead worker or a lost wake-up left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.queue.conftest import Office
from vkteams_bot import queue
from vkteams_bot.limits import Priority
from vkteams_bot.models import BotAccount, Broadcast, OutgoingCall
from vkteams_bot.stores.ids import time_ordered_id
from vkteams_bot.tasks import prune

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def abandon(**fields: Any) -> None:
    """As a worker leaves rows that died a moment ago."""
    moment = timezone.now() - timedelta(seconds=1)
    OutgoingCall.objects.filter(status="queued").update(**{"status": "sending", "claimed_until": moment} | fields)


def test_what_a_dead_worker_was_sending_is_unknown(office: Office):
    office.delay("1", "2")
    abandon()
    queue.sweep()
    assert office.statuses() == ["unknown", "unknown"]
    row = OutgoingCall.objects.first()
    assert row is not None
    assert "worker died" in row.error
    assert row.finished_at is not None
    assert row.claimed_until is None


def test_what_may_be_repeated_is(office: Office):
    office.bot.get_chat_info("a@example.com").delay()
    abandon()
    queue.sweep()
    assert office.statuses() == ["queued"]


def test_with_resend_all_of_it_is_sent_again(office: Office, settings: Any):
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "ON_UNKNOWN": "resend"}
    office.delay("1")
    abandon()
    queue.sweep()
    assert office.statuses() == ["queued"]
    office.deliver()
    assert office.server.texts == ["1"]


def test_a_live_claim_and_the_bots_own_are_left_alone(office: Office):
    office.delay("1")
    abandon(claimed_until=timezone.now() + timedelta(seconds=30))
    office.delay("2")
    abandon(sender="bot", claimed_until=None)
    queue.sweep()
    assert office.statuses() == ["sending", "sending"]


def test_workers_are_woken_for_what_is_due(office: Office):
    office.delay("1")
    office.delay("bulk", priority=Priority.BULK)
    office.delay("later", at=timedelta(hours=1))
    BotAccount.objects.create(alias="default", user_id="idle")
    office.notices.clear()
    queue.sweep()
    assert [(notice.args, notice.queue) for notice in office.notices] == [
        ((office.account_id, False), "vkteams.reply"),
        ((office.account_id, True), "vkteams.bulk"),
    ]


def test_nothing_is_woken_for_nothing_or_for_a_bot_that_is_gone(office: Office):
    office.delay("later", at=timedelta(hours=1))
    office.notices.clear()
    queue.sweep()
    assert office.notices == []
    OutgoingCall.objects.update(due_at=timezone.now())
    BotAccount.objects.update(alias="gone")
    queue.sweep()
    assert office.notices == []
    assert queue.deliver(BotAccount.objects.get().pk, bulk=True) is False
    assert queue.deliver(-1, bulk=True) is False


def test_pruning_as_a_task(office: Office):
    office.delay("1")
    office.deliver()
    OutgoingCall.objects.update(created_at=timezone.now() - timedelta(days=30))
    office.delay("2")
    prune()
    assert office.statuses() == ["queued"]


def test_what_an_operator_sends_again_wakes_workers_and_broadcasts(office: Office):
    office.delay("1")
    office.delay("2", priority=Priority.BULK)
    broadcast = Broadcast.objects.create(account_id=office.account_id, name="n", text="t", status="finished")
    OutgoingCall.objects.filter(priority=Priority.BULK).update(broadcast=broadcast)
    OutgoingCall.objects.update(status="unknown")
    office.notices.clear()
    assert queue.resend(OutgoingCall.objects.all()) == 2
    assert office.statuses() == ["queued", "queued"]
    broadcast.refresh_from_db()
    assert broadcast.status == "running"
    assert sorted(notice.queue for notice in office.notices) == ["vkteams.bulk", "vkteams.reply"]


def test_a_broadcast_is_delivered_and_finished(office: Office):
    office.delay("reply")
    broadcast = Broadcast.objects.create(account_id=office.account_id, name="n", text="news", status="running")
    now = timezone.now()
    rows = [
        OutgoingCall(
            id=time_ordered_id(),
            account_id=office.account_id,
            broadcast=broadcast,
            sender="worker",
            priority=Priority.BULK,
            method="messages/sendText",
            chat_id=f"{number}@example.com",
            created_at=now,
        )
        for number in range(120)
    ]
    OutgoingCall.objects.bulk_create(rows)
    office.deliver(bulk=False)
    assert office.server.texts == ["reply"]
    office.deliver(bulk=True)
    assert sorted(chat_id for chat_id, text in office.server.received if text == "news") == sorted(
        row.chat_id for row in rows
    )
    broadcast.refresh_from_db()
    assert broadcast.status == "finished"


def test_a_paused_broadcast_is_left_alone(office: Office):
    office.delay("1", priority=Priority.BULK)
    broadcast = Broadcast.objects.create(account_id=office.account_id, name="n", text="news", status="paused")
    OutgoingCall.objects.update(broadcast=broadcast)
    office.deliver(bulk=True)
    assert office.statuses() == ["queued"]


def test_a_fault_that_everybody_would_share_pauses_the_broadcast(office: Office):
    office.server.answer = lambda chat_id, text: {"ok": False, "description": "Method not allowed"}
    office.delay("1", priority=Priority.BULK)
    broadcast = Broadcast.objects.create(account_id=office.account_id, name="n", text="news", status="running")
    OutgoingCall.objects.update(broadcast=broadcast, method="messages/sendText")
    office.deliver(bulk=True)
    row = OutgoingCall.objects.get()
    assert (row.status, row.attempts) == ("queued", 0)
    broadcast.refresh_from_db()
    assert broadcast.status == "paused"
