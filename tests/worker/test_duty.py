"""Who delivers what is due, as far as the database shows it, and how it is told when nobody does."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone, translation

from tests.worker.conftest import Office
from vkteams_bot import checks
from vkteams_bot.doctor import project
from vkteams_bot.doctor.findings import Status
from vkteams_bot.models import BotAccount, Broadcast, OutgoingCall, Worker
from vkteams_bot.runtime.due_delivery import DueDelivery
from vkteams_bot.worker.duty import DeliveredBy, duty_of, is_runbots_duty
from vkteams_bot.worker.heartbeats import Heartbeat

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


@pytest.fixture
def account(office: Office) -> BotAccount:
    office.delay("overdue")
    OutgoingCall.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    return BotAccount.objects.get()


def choose(settings: Any, delivery: str) -> None:
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "DELIVERY": delivery}


def poll(account: BotAccount) -> None:
    account.lease_owner, account.lease_until = "host:1:a", timezone.now() + timedelta(minutes=1)
    account.save()


def test_a_heartbeat_is_noted_now_and_then_and_ends_at_once():
    heartbeat = Heartbeat(every_seconds=3600)
    heartbeat.beat("celery@host")
    first = Worker.objects.get().last_heartbeat
    heartbeat.beat("celery@host")
    assert Worker.objects.get().last_heartbeat == first
    earlier = first - timedelta(hours=1)  # a second beat may come in the same millisecond
    Worker.objects.update(last_heartbeat=earlier)
    Heartbeat().beat("celery@host")
    assert Worker.objects.get().last_heartbeat > earlier
    Worker.objects.create(name="long gone", last_heartbeat=timezone.now() - timedelta(days=1))
    Heartbeat().beat("celery@other")
    assert set(Worker.objects.values_list("name", flat=True)) == {"celery@host", "celery@other"}
    heartbeat.end("celery@host")
    assert Worker.objects.get().name == "celery@other"


@pytest.mark.parametrize(
    ("delivery", "worker_seconds", "runbot"),
    [
        ("auto", None, True),
        ("auto", 1, False),
        ("auto", 60, True),
        ("runbot", 1, True),
        ("workers", None, False),
    ],
)
def test_workers_have_precedence_while_they_live(settings: Any, delivery: str, worker_seconds: Any, runbot: bool):
    choose(settings, delivery)
    if worker_seconds is not None:
        Worker.objects.create(name="w", last_heartbeat=timezone.now() - timedelta(seconds=worker_seconds))
    assert is_runbots_duty() is runbot


def test_something_is_due_and_nobody_delivers(account: BotAccount):
    duty = duty_of(account, timezone.now())
    assert (duty.by, duty.overdue, duty.is_neglected) == (DeliveredBy.NOBODY, 1, True)
    assert str(duty).startswith("1 call is overdue since ")
    assert str(duty).endswith(": no worker, and no runbot for this bot.")
    with translation.override("ru"):
        assert "просроч" in str(duty)


def test_it_is_no_neglect_while_somebody_delivers(account: BotAccount):
    poll(account)
    duty = duty_of(account, timezone.now())
    assert (duty.by, duty.overdue, duty.is_neglected) == (DeliveredBy.RUNBOT, 1, False)
    Worker.objects.create(name="w", last_heartbeat=timezone.now())
    assert duty_of(account, timezone.now()).by is DeliveredBy.WORKERS


def test_a_running_broadcast_counts_and_a_paused_one_does_not(account: BotAccount):
    started = timezone.now() - timedelta(hours=2)
    fields = {"account": account, "name": "n", "text": "t", "started_at": started}
    broadcast = Broadcast.objects.create(**fields, status="running")
    OutgoingCall.objects.update(broadcast=broadcast, origin="broadcast")
    assert (duty_of(account, timezone.now()).overdue, duty_of(account, timezone.now()).since) == (1, started)
    Broadcast.objects.update(status="paused")
    assert not duty_of(account, timezone.now()).is_neglected


def test_rows_of_a_bot_that_the_settings_do_not_have_are_told(account: BotAccount):
    poll(account)
    BotAccount.objects.filter(pk=account.pk).update(user_id="another")
    account.refresh_from_db()
    duty = duty_of(account, timezone.now())
    assert (duty.has_bot, duty.is_neglected) == (False, True)
    assert "the settings do not have this bot" in str(duty)


def test_the_checks_of_the_database_say_who_delivers(account: BotAccount):
    [warning] = checks.check_who_delivers(None, databases=["default"])
    assert (warning.id, "1 call is overdue" in warning.msg) == ("vkteams_bot.W004", True)
    poll(account)
    [info] = checks.check_who_delivers(None, databases=["default"])
    assert (info.id, "The process that polls delivers" in info.msg) == ("vkteams_bot.I001", True)
    assert checks.check_who_delivers(None, databases=None) == []
    call_command("check", "--database", "default")


def test_workers_without_a_broker_are_a_warning(settings: Any):
    assert checks.check_delivery(None) == []
    choose(settings, "workers")
    [warning] = checks.check_delivery(None)
    assert warning.id == "vkteams_bot.W003"


def test_the_doctor_says_it_too(account: BotAccount):
    finding = project.delivery("default")
    assert finding.status is Status.WARN
    assert "1 call is overdue" in finding.detail
    assert "runbot" in finding.remedy
    poll(account)
    assert project.delivery("default").status is Status.OK
    assert project.delivery("nobody").status is Status.SKIPPED


def test_the_log_says_it_when_workers_are_wanted_and_there_are_none(
    account: BotAccount, office: Office, settings: Any, caplog: pytest.LogCaptureFixture
):
    choose(settings, "workers")
    delivery = DueDelivery(account.pk, office.bot, sweep_seconds=0)
    with caplog.at_level(logging.INFO, "vkteams_bot.runtime"):
        delivery._round()
        delivery._round()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "1 call is overdue" in warnings[0]
    assert office.server.texts == []


def test_whoever_polls_delivers_all_that_is_due(account: BotAccount, office: Office):
    Broadcast.objects.create(
        account=account, name="n", text="news", audience="list", recipients="b@example.com", status="preparing"
    )
    delivery = DueDelivery(account.pk, office.bot, sweep_seconds=0)
    for _ in range(3):
        delivery._round()
    assert sorted(office.server.texts) == ["news", "overdue"]
    assert Broadcast.objects.get().status == "finished"
    assert set(office.statuses()) == {"sent"}


def test_a_fault_of_one_round_does_not_end_delivery(account: BotAccount, office: Office, caplog: Any, monkeypatch: Any):
    delivery = DueDelivery(account.pk, office.bot, look_seconds=0.01)
    second = threading.Event()
    rounds: list[int] = []

    def fails() -> None:
        rounds.append(1)
        if len(rounds) > 1:
            second.set()
            delivery._stop.set()
        raise LookupError("on purpose")

    monkeypatch.setattr(delivery, "_round", fails)
    monkeypatch.setattr("vkteams_bot.runtime.due_delivery.connections.close_all", lambda: None)
    delivery.start()
    assert second.wait(10)
    delivery._thread.join(10)
    assert "LookupError: on purpose" in caplog.text


class TestAdmin:
    """On the page of a bot."""

    @pytest.fixture
    def orphan(self, account: BotAccount) -> BotAccount:
        BotAccount.objects.filter(pk=account.pk).update(user_id="another")
        return account

    def page(self, client: Client, account: BotAccount) -> str:
        response = client.get(f"/admin/vkteams_bot/botaccount/{account.pk}/change/")
        assert response.status_code == 200
        return response.content.decode()

    def test_it_says_who_delivers(self, admin_client: Client, account: BotAccount):
        assert "1 call is overdue" in self.page(admin_client, account)
        poll(account)
        page = self.page(admin_client, account)
        assert "The process that polls delivers" in page
        assert "Move waiting calls" not in page

    def test_waiting_calls_of_the_bot_before_can_be_moved(self, admin_client: Client, orphan: BotAccount):
        assert "Move waiting calls" in self.page(admin_client, orphan)
        admin_client.post(f"/admin/vkteams_bot/botaccount/{orphan.pk}/move_calls/")
        call = OutgoingCall.objects.select_related("account").get()
        assert (call.account.user_id, call.status) == ("1000000001", "queued")

    def test_or_dropped(self, admin_client: Client, orphan: BotAccount):
        admin_client.post(f"/admin/vkteams_bot/botaccount/{orphan.pk}/drop_calls/")
        assert OutgoingCall.objects.get().status == "dropped"
