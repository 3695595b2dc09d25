"""Quiet hours, in the time zone of the broadcast."""

from datetime import UTC, datetime, time

import pytest

from vkteams_bot.broadcasts.schedule import is_expired, is_quiet, quiet_ends_at, starts_later
from vkteams_bot.models import Broadcast


def at(hour: int, minute: int = 0, day: int = 10) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _utc(settings):
    settings.TIME_ZONE = "UTC"


def quiet(begin: int | None, end: int | None, zone: str = "") -> Broadcast:
    hours = [None if hour is None else time(hour) for hour in (begin, end)]
    return Broadcast(quiet_from=hours[0], quiet_until=hours[1], time_zone=zone)


@pytest.mark.parametrize(
    ("begin", "end", "zone", "expected"),
    [
        (22, 8, "", {21: False, 22: True, 23: True, 0: True, 7: True, 8: False, 12: False}),
        (1, 3, "", {0: False, 1: True, 2: True, 3: False}),
        (22, 8, "Europe/Moscow", {18: False, 19: True, 4: True, 5: False}),
        (22, 8, "Asia/Kamchatka", {9: False, 10: True, 19: True, 20: False}),
        (8, 8, "", {7: False, 8: False, 9: False}),
        (None, None, "", {0: False, 12: False}),
        (22, None, "", {23: False}),
    ],
)
def test_quiet_hours(begin, end, zone, expected):
    broadcast = quiet(begin, end, zone)
    assert {hour: is_quiet(broadcast, at(hour)) for hour in expected} == expected


def test_a_time_zone_that_this_host_does_not_know_counts_as_the_projects(settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    night = quiet(22, 8, "Mars/Olympus")
    assert is_quiet(night, at(14))  # 23:00 in Tokyo
    assert not is_quiet(night, at(2))


def test_the_end_of_the_quiet_hours():
    assert quiet_ends_at(quiet(22, 8), at(23)) == at(8, day=11)
    assert quiet_ends_at(quiet(22, 8), at(3)) == at(8)
    assert quiet_ends_at(quiet(22, 8, "Europe/Moscow"), at(20)) == at(5, day=11)
    assert quiet_ends_at(quiet(22, 8), at(12)) is None


def test_the_project_has_a_time_zone_too(settings):
    settings.TIME_ZONE = "Europe/Moscow"
    assert is_quiet(quiet(22, 8), at(19))
    assert not is_quiet(quiet(22, 8), at(5))


def test_start_and_expiry():
    assert not is_expired(Broadcast(), at(1))
    assert is_expired(Broadcast(expires_at=at(1)), at(1))
    assert not is_expired(Broadcast(expires_at=at(2)), at(1))
    assert not starts_later(Broadcast(), at(1))
    assert starts_later(Broadcast(starts_at=at(2)), at(1))
    assert not starts_later(Broadcast(starts_at=at(1)), at(1))
