"""Does a process poll, what does it say of itself, and how long have updates been waiting."""

from datetime import timedelta

import pytest
from django.utils import timezone

from vkteams_bot.doctor import project
from vkteams_bot.doctor.findings import Status
from vkteams_bot.models import BotAccount, Update

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def account(*, seconds: int = 60, **report: object) -> BotAccount:
    until = timezone.now() + timedelta(seconds=seconds)
    return BotAccount.objects.create(
        alias="default", user_id="1", lease_owner="host:7:x", lease_until=until, report=report
    )


def wait(account: BotAccount, *, seconds: int) -> None:
    created = timezone.now() - timedelta(seconds=seconds)
    Update.objects.create(account=account, event_id=1, type="newMessage", payload={}, created_at=created)


def test_a_bot_that_never_ran():
    assert project.polling("default").status is Status.SKIPPED


def test_one_that_is_polled():
    account(conditions=[], busy=[])
    finding = project.polling("default")
    assert (finding.status, finding.detail) == (Status.OK, "polled by host:7:x")


def test_what_keeps_it_from_answering():
    since = timezone.now().isoformat()
    bot = account(conditions=[{"key": "rate_limited", "since": since, "values": {"count": 3}}], busy=[])
    wait(bot, seconds=90)
    finding = project.polling("default")
    assert finding.status is Status.WARN
    assert finding.detail.startswith(
        "rate_limited: 3 replies wait for their turn under RATE_LIMIT; 1 updates wait, the oldest for 9"
    )
    assert "docs/conditions.md" in finding.remedy


def test_nobody_polls_while_updates_wait():
    bot = account(seconds=-1)
    assert project.polling("default").status is Status.OK
    wait(bot, seconds=90)
    finding = project.polling("default")
    assert finding.status is Status.WARN
    assert "no process polls; 1 updates wait" in finding.detail
    assert finding.remedy == "Start runbot."


def test_of_two_identities_the_one_that_was_polled_last_counts():
    """Before its first poll a new one is asked after only when there is no other."""
    old = account(seconds=-1)
    wait(old, seconds=10)
    BotAccount.objects.update(polled_at=timezone.now())
    BotAccount.objects.create(alias="default", user_id="2")
    assert "1 updates wait" in project.polling("default").detail
