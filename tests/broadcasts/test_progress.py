"""How far it is, at which pace, and the results as a table."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.core import signing
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.broadcasts.conftest import mark
from vkteams_bot import broadcasts
from vkteams_bot.broadcasts import Meter, Progress, export_csv
from vkteams_bot.broadcasts.lifecycle import advance
from vkteams_bot.broadcasts.progress import COLUMNS, snapshot
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
        progress = Progress.of(broadcast.pk)
    assert len(queries) == 2
    assert (progress.status, progress.total, progress.done, progress.share) == ("running", 6, 4, 4 / 6)
    assert (progress.sent, progress.failed, progress.unknown, progress.dropped) == (2, 1, 1, 0)
    assert (progress.sending, progress.waiting, progress.left) == (1, 1, 2)


@pytest.mark.orm
def test_results_outlive_their_rows(mailing):
    broadcast = mailing.prepared("a")
    broadcast.calls.all().delete()
    Broadcast.objects.filter(pk=broadcast.pk).update(status="finished", counts={"sent": 1})
    progress = Progress.of(broadcast.pk)
    assert (progress.sent, progress.total, progress.share) == (1, 1, 1.0)


@pytest.mark.orm
def test_rows_are_pruned_only_when_the_results_are_final(mailing):
    broadcast = mailing.prepared("a", "b")
    mark(broadcast, "sent", "ab", created_at=START)
    call_command("prunebot", stdout=io.StringIO())
    assert Progress.of(broadcast.pk).sent == 2
    advance(None, timezone.now())
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


def test_a_meter_goes_on_where_it_was_packed():
    meter = Meter()
    meter.see(at(0, 0))
    meter.see(at(2, 10))
    again = Meter.unpacked(meter.packed())
    again.see(at(4, 30))
    assert (again.rate, again.seconds_left) == (7.5, 70 / 7.5)
    for text in ("", "x", meter.packed() + "x", signing.dumps([1])):
        stranger = Meter.unpacked(text)
        stranger.see(at(4, 30))
        assert stranger.rate is None, text


def test_a_meter_remembers_as_long_as_it_is_told():
    meter = Meter(seconds=2)
    for second, sent in enumerate([0, 50, 51, 52]):
        meter.see(at(second, sent))
    assert meter.rate == 1.0


@pytest.mark.orm
def test_the_snapshot_has_every_column(mailing):
    broadcast = mailing.prepared(*"abcd")
    mark(broadcast, "sent", "ab")
    mark(broadcast, "failed", "c")
    meter = Meter()
    with CaptureQueriesContext(connection) as queries:
        drawn = snapshot(broadcast.pk, meter)
    assert len(queries) == 3
    assert json.loads(json.dumps(drawn)) == {
        "status": "running",
        "numbers": {
            "sent": 2,
            "failed": 1,
            "unknown": 0,
            "dropped": 0,
            "left": 1,
            "total": 4,
            "rate": None,
            "seconds_left": None,
        },
        "bar": {"sent": [0.0, 500.0], "failed": [500.0, 250.0], "unknown": [750.0, 0.0], "dropped": [750.0, 0.0]},
        "percent": 75,
        "details": f"running 1 0 {broadcast.actions.get().pk} ",
        "is_over": False,
    }
    assert {column.name for column in COLUMNS} == drawn["numbers"].keys()
    mark(broadcast, "sent", "d")
    advance(None, timezone.now())
    drawn = snapshot(broadcast.pk, meter)
    assert (drawn["status"], drawn["percent"], drawn["is_over"]) == ("finished", 100, True)


@pytest.mark.orm
def test_one_that_was_cancelled_is_over_when_nothing_is_on_its_way(mailing):
    broadcast = mailing.prepared("a")
    mark(broadcast, "sending", "a")
    broadcasts.cancel(broadcast)
    advance(None, timezone.now())
    assert not snapshot(broadcast.pk, Meter())["is_over"]
    mark(broadcast, "sent", "a")
    advance(None, timezone.now())
    assert snapshot(broadcast.pk, Meter())["is_over"]


@pytest.mark.orm
def test_many_at_once_are_as_each_alone(mailing):
    running, finished = mailing.prepared("a", "b"), mailing.prepared("a")
    mailing.broadcast()
    mark(running, "failed", "a")
    mark(finished, "sent", "a")
    advance(None, timezone.now())
    with CaptureQueriesContext(connection) as queries:
        progress = Progress.of_many(Broadcast.objects.all())
    assert len(queries) == 2
    alone = {key: Progress.of(key) for key in (running.pk, finished.pk)}
    moment = timezone.now()
    assert {key: replace(value, at=moment) for key, value in progress.items()} == {
        key: replace(value, at=moment) for key, value in alone.items()
    }


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
def test_the_export_costs_three_statements_per_batch(mailing):
    broadcast = mailing.prepared(*(f"user{number}" for number in range(25)))
    with CaptureQueriesContext(connection) as queries:
        assert sum(1 for _line in export_csv(broadcast, batch_size=10)) == 26
    assert len(queries) == 1 + 3 * 2
