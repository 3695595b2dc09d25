"""What a polling process tells of itself."""

import logging
import sqlite3
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone, translation

from vkteams_bot.models import BotAccount
from vkteams_bot.runtime.deaths import tell_death
from vkteams_bot.stores.conditions import CONDITIONS, Conditions, report_of
from vkteams_bot.stores.outages import OutageWait
from vkteams_bot.stores.wrong_database import NotMigrated

LOGGER = "vkteams_bot.runtime"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def conditions(clock: Clock) -> Conditions:
    return Conditions("shop", clock=clock)


def account(conditions: Conditions, *, lasts: int = 60) -> BotAccount:
    until = timezone.now() + timedelta(seconds=lasts)
    return BotAccount(alias="shop", lease_owner="host:1:a", lease_until=until, report=conditions.report())


def test_a_state_is_told_when_it_begins_once_a_minute_and_when_it_ends(
    conditions: Conditions, clock: Clock, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, LOGGER)
    for _ in range(150):
        conditions.note("poll_failed", True, error=f"at {clock.now:.0f}")
        clock.now += 1
    conditions.note("poll_failed", False)
    conditions.note("poll_failed", False)
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert lines == [
        ("WARNING", "bot shop: poll_failed: polls fail: at 100"),
        ("WARNING", "bot shop: poll_failed: polls fail: at 160"),
        ("WARNING", "bot shop: poll_failed: polls fail: at 220"),
        ("INFO", "bot shop: poll_failed is over after 150 s"),
    ]
    assert {(record.bot, record.condition) for record in caplog.records} == {("shop", "poll_failed")}  # type: ignore[attr-defined]


def test_the_report_is_read_back_in_the_readers_language(conditions: Conditions, clock: Clock):
    conditions.begin("rate_limited", count=3)
    clock.now += 40
    conditions.busy = lambda: [("shop.bot:order", 7, "ann@corp", clock.now - 30)]
    report = report_of(account(conditions))
    [condition] = report.conditions
    assert condition.key == "rate_limited"
    assert 39 <= (timezone.now() - condition.since).total_seconds() <= 45
    assert str(condition) == "3 replies wait for their turn under RATE_LIMIT"
    with translation.override("ru"):
        assert str(condition) == "ответов, ждущих своей очереди из-за RATE_LIMIT: 3"
    [busy] = report.busy
    assert (busy.handler, busy.update, busy.chat_id) == ("shop.bot:order", 7, "ann@corp")
    assert 29 <= (timezone.now() - busy.since).total_seconds() <= 35


def test_what_a_process_told_that_is_gone_does_not_count(conditions: Conditions):
    conditions.begin("poll_failed", error="x")
    assert report_of(account(conditions)).conditions
    assert report_of(account(conditions, lasts=-1)).conditions == ()
    assert report_of(BotAccount(alias="new")).conditions == ()


def test_a_state_of_a_newer_version_is_left_out(conditions: Conditions):
    row = account(conditions)
    row.report["conditions"] = [{"key": "of_tomorrow", "since": timezone.now().isoformat(), "values": {}}]
    assert report_of(row).conditions == ()


@pytest.mark.parametrize("key", CONDITIONS)
def test_every_state_has_a_sentence_in_both_languages(key: str):
    with translation.override("ru"):
        assert translation.gettext(CONDITIONS[key]) != CONDITIONS[key]


def test_the_lines_that_have_no_row_carry_their_keys_too(caplog: pytest.LogCaptureFixture):
    OutageWait(logging.getLogger(LOGGER), extra={"bot": "shop"}).failed(outage())
    tell_death("shop", NotMigrated(OperationalError("no such table: x")))
    assert [record.condition for record in caplog.records] == ["database_away", "died"]  # type: ignore[attr-defined]
    assert {record.bot for record in caplog.records} == {"shop"}  # type: ignore[attr-defined]


def outage() -> OperationalError:
    error = OperationalError("database is locked")
    error.__cause__ = sqlite3.OperationalError("database is locked")
    error.__cause__.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error
