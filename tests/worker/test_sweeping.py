"""The sweep finds what a dead worker or a lost message left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from tests.worker.conftest import Office
from vkteams_bot import worker
from vkteams_bot.limits import Priority
from vkteams_bot.models import BotAccount, Broadcast, OutgoingCall
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.tasks import prune, sweep
from vkteams_bot.worker import batches

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def abandon(**fields: Any) -> None:
    """As a worker leaves rows that died a moment ago."""
    moment = timezone.now() - timedelta(seconds=1)
    OutgoingCall.objects.filter(status="queued").update(**{"status": "sending", "claimed_until": moment} | fields)


def test_what_a_dead_worker_was_sending_is_unknown(office: Office):
    office.delay("1", "2")
    abandon()
    worker.sweep()
    assert office.statuses() == ["unknown", "unknown"]
    row = OutgoingCall.objects.first()
    assert row is not None
    assert "process died" in row.error
    assert row.finished_at is not None
    assert row.claimed_until is None


def test_what_may_be_repeated_is(office: Office):
    office.bot.get_chat_info("a@example.com").delay()
    abandon()
    worker.sweep()
    assert office.statuses() == ["queued"]


def test_with_resend_all_of_it_is_sent_again(office: Office, settings: Any):
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "ON_UNKNOWN": "resend"}
    office.delay("1")
    abandon()
    worker.sweep()
    assert office.statuses() == ["queued"]
    office.deliver()
    assert office.server.texts == ["1"]


def test_a_live_claim_is_left_alone_and_a_reply_whose_process_is_gone_is_not(office: Office):
    office.delay("1")
    abandon(claimed_until=timezone.now() + timedelta(seconds=30))
    office.delay("2")
    abandon(origin="reply")
    worker.sweep()
    assert office.statuses() == ["sending", "unknown"]


def test_what_may_be_repeated_is_repeated_only_so_often(office: Office, settings: Any):
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "RETRY_ATTEMPTS": 3}
    office.bot.get_chat_info("a@example.com").delay()
    for status in ("queued", "queued", "queued", "unknown"):
        abandon()
        worker.sweep()
        assert office.statuses() == [status]
    assert OutgoingCall.objects.get().attempts == 4


def test_workers_are_woken_for_what_is_due(office: Office):
    office.delay("1")
    office.delay("bulk", priority=Priority.BULK)
    office.delay("later", at=timedelta(hours=1))
    BotAccount.objects.create(alias="default", user_id="idle")
    office.notices.clear()
    sweep()
    assert [(message.args, message.queue) for message in office.notices] == [
        ((office.account_id, False), "vkteams.reply"),
        ((office.account_id, True), "vkteams.bulk"),
    ]


def test_nothing_is_woken_for_nothing_or_for_a_bot_that_is_gone(office: Office):
    office.delay("later", at=timedelta(hours=1))
    office.notices.clear()
    sweep()
    assert office.notices == []
    OutgoingCall.objects.update(due_at=timezone.now())
    BotAccount.objects.update(alias="gone")
    sweep()
    assert office.notices == []
    assert worker.deliver(BotAccount.objects.get().pk, bulk=True) is False
    assert worker.deliver(-1, bulk=True) is False


def test_another_bot_under_the_alias_does_not_send_what_was_written_for_the_first(office: Office):
    """Such as the emulator's of a playground."""
    office.delay("of the first")
    first = BotAccount.objects.get()
    BotAccount.objects.filter(pk=first.pk).update(user_id="7")
    second = BotAccount.objects.create(alias="default", user_id=first.user_id)
    office.delay("of the second")
    office.notices.clear()
    sweep()
    assert [message.args for message in office.notices] == [(second.pk, False)]
    assert worker.deliver(first.pk, bulk=True) is False
    assert office.server.texts == []


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
    OutgoingCall.objects.filter(priority=Priority.BULK).update(origin="broadcast", broadcast=broadcast)
    OutgoingCall.objects.update(status="unknown")
    office.notices.clear()
    assert worker.resend(OutgoingCall.objects.all()) == 2
    assert office.statuses() == ["queued", "queued"]
    broadcast.refresh_from_db()
    assert broadcast.status == "running"
    assert sorted(message.queue for message in office.notices) == ["vkteams.bulk", "vkteams.reply"]


@pytest.mark.parametrize("status", ["cancelled", "expired"])
def test_nothing_of_a_broadcast_that_has_ended_is_sent_again(office: Office, status: str):
    office.delay("1", "2", priority=Priority.BULK)
    broadcast = Broadcast.objects.create(account_id=office.account_id, name="n", text="t", status=status)
    OutgoingCall.objects.filter(params__text="1").update(origin="broadcast", broadcast=broadcast)
    OutgoingCall.objects.update(status="unknown")
    assert worker.resend(OutgoingCall.objects.all()) == 1
    assert office.statuses() == ["unknown", "queued"]


def test_what_is_put_back_late_opens_a_finished_broadcast_again(office: Office, monkeypatch: pytest.MonkeyPatch):
    """Its process was held up for so long that its claims ended and the broadcast was finished without it."""
    office.delay("1", priority=Priority.BULK)
    broadcast = Broadcast.objects.create(account_id=office.account_id, name="n", text="t", status="running")
    OutgoingCall.objects.update(origin="broadcast", broadcast=broadcast, chat_id="a")

    write = batches.Batches.write

    def given_up_before(self: Any, completed: Any, flying: Any, **options: Any) -> Any:
        if completed:
            OutgoingCall.objects.update(status="unknown", claimed_until=None)
            Broadcast.objects.update(status="finished", counts={"unknown": 1})
        return write(self, completed, flying, **options)

    monkeypatch.setattr(batches.Batches, "write", given_up_before)
    office.server.answer = lambda chat_id, text: httpx.ConnectError("refused")
    office.deliver(bulk=True, seconds=0.1)
    broadcast.refresh_from_db()
    assert (office.statuses(), broadcast.status, broadcast.counts) == (["queued"], "running", None)


def test_a_broadcast_is_delivered_and_finished(office: Office):
    office.delay("reply")
    broadcast = Broadcast.objects.create(account_id=office.account_id, name="n", text="news", status="running")
    now = timezone.now()
    rows = [
        OutgoingCall(
            id=uuid7(),
            account_id=office.account_id,
            broadcast=broadcast,
            origin="broadcast",
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
    OutgoingCall.objects.update(origin="broadcast", broadcast=broadcast)
    office.deliver(bulk=True)
    assert office.statuses() == ["queued"]


def test_a_fault_that_everybody_would_share_pauses_the_broadcast(office: Office):
    office.server.answer = lambda chat_id, text: {"ok": False, "description": "Method not allowed"}
    office.delay("1", priority=Priority.BULK)
    broadcast = Broadcast.objects.create(account_id=office.account_id, name="n", text="news", status="running")
    OutgoingCall.objects.update(origin="broadcast", broadcast=broadcast, method="messages/sendText")
    office.deliver(bulk=True)
    row = OutgoingCall.objects.get()
    assert (row.status, row.attempts) == ("queued", 0)
    broadcast.refresh_from_db()
    assert broadcast.status == "paused"
