"""How far it is, at which pace, and the results as a table."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.broadcasts.conftest import mark
from vkteams_bot.broadcasts import Meter, Progress, export_csv
from vkteams_bot.broadcasts.settling import settle
from vkteams_bot.models import Broadcast

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(second: float, sent: int, total: int = 100, status: str = "running", failed: int = 0) -> Progress:
    return Progress(status, total, {"sent": sent, "failed": failed}, START + timedelta(seconds=second))


@pytest.mark.orm
def test_counts_are_derived_from_the_rows(mailing):
    broadcast = mailing.prepared(*"abcdef")
    for status, who in [("sent", "ab"), ("failed", "c"), ("unknown", "d"), ("sending", "e")]:
        mark(broadcast, status, who)
    with CaptureQueriesContext(connection) as queries:
        now = Progress.of(broadcast.pk)
    assert len(queries) == 2
    assert (now.status, now.total, now.done, now.share) == ("running", 6, 4, 4 / 6)
    assert (now.sent, now.failed, now.unknown, now.sending, now.waiting, now.dropped) == (2, 1, 1, 1, 1, 0)


@pytest.mark.orm
def test_results_outlive_their_rows(mailing):
    broadcast = mailing.prepared("a")
    broadcast.calls.all().delete()
    Broadcast.objects.filter(pk=broadcast.pk).update(status="finished", counts={"sent": 1})
    now = Progress.of(broadcast.pk)
    assert (now.sent, now.total, now.share) == (1, 1, 1.0)


@pytest.mark.orm
def test_rows_are_pruned_only_when_the_results_are_final(mailing):
    broadcast = mailing.prepared("a", "b")
    mark(broadcast, "sent", "ab", created_at=START)
    call_command("prunebot", stdout=io.StringIO())
    assert Progress.of(broadcast.pk).sent == 2
    settle(None, timezone.now())
    call_command("prunebot", stdout=io.StringIO())
    assert not broadcast.calls.exists()
    assert Progress.of(broadcast.pk).sent == 2


@pytest.mark.orm
def test_while_it_is_prepared_the_rows_so_far_count(mailing):
    broadcast = mailing.prepared("a", "b")
    Broadcast.objects.filter(pk=broadcast.pk).update(status="preparing", total=None)
    assert (Progress.of(broadcast.pk).total, Progress.of(broadcast.pk).share) == (2, 0.0)


def test_nobody_is_no_division():
    assert at(0, 0, total=0).share == 0.0


def test_the_rate_of_the_last_seconds():
    meter = Meter()
    meter.see(at(0, 0))
    assert (meter.rate, meter.seconds_left) == (None, None)
    meter.see(at(2, 10))
    assert (meter.rate, meter.seconds_left) == (5.0, 18.0)
    for second in range(3, 15):
        meter.see(at(second, 10 + second - 2, failed=1))
    assert meter.rate == 1.0  # what was fast at the beginning is forgotten


def test_a_pause_and_a_retry_start_anew():
    for later in (at(3, 10, status="paused"), at(3, 5)):
        meter = Meter()
        meter.see(at(0, 0))
        meter.see(at(1, 10))
        meter.see(later)
        assert meter.rate is None


def test_a_rate_of_nothing_tells_no_end():
    meter = Meter()
    meter.see(at(0, 1))
    meter.see(at(1, 1))
    assert (meter.rate, meter.seconds_left) == (0.0, None)


@pytest.mark.orm
def test_the_export(mailing, settings):
    settings.TIME_ZONE = "Europe/Moscow"
    mailing.contact("b", first_name="Anna", last_name="Ivanova")
    mailing.chats("1@chat.agent", type="group", title='=HYPERLINK("x")')
    broadcast = mailing.prepared("b", "1@chat.agent", "@nick", "c")
    mark(broadcast, "sent", ["b"], finished_at=START, msg_id="700")
    mark(broadcast, "failed", ["1@chat.agent"], finished_at=START, error="-1, said\nthe server")
    lines = list(export_csv(broadcast))
    assert list(csv.reader(lines)) == [
        ["chat_id", "name", "status", "error", "sent_at", "msg_id"],
        ["b", "Anna Ivanova", "sent", "", "2026-03-01 15:00:00+03:00", "700"],
        ["1@chat.agent", '\'=HYPERLINK("x")', "failed", "'-1, said\nthe server", "", ""],
        ["'@nick", "", "queued", "", "", ""],
        ["c", "", "queued", "", "", ""],
    ]
    assert all(line.endswith("\r\n") for line in lines)


@pytest.mark.orm
def test_the_export_costs_three_statements_per_lot(mailing, monkeypatch):
    monkeypatch.setattr("vkteams_bot.broadcasts.export.LOT", 10)
    broadcast = mailing.prepared(*(f"user{number}" for number in range(25)))
    with CaptureQueriesContext(connection) as queries:
        assert sum(1 for _line in export_csv(broadcast)) == 26
    assert len(queries) == 1 + 3 * 2
