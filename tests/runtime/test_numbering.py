"""When polls ask from 0."""

from __future__ import annotations

import time

import pytest

from vkteams_bot.runtime.poller import LONGEST_SILENCE, Numbering


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def silence(numbering: Numbering, clock: Clock) -> int:
    """After how many seconds without events it asks from 0."""
    begin = clock.now
    while numbering.is_known:
        clock.now += 1
        numbering.heard_nothing()
    return int(clock.now - begin)


def test_until_the_first_events_and_after_a_failure(clock):
    numbering = Numbering(60)
    assert not numbering.is_known
    numbering.heard_nothing()
    assert not numbering.is_known
    numbering.heard(fresh=True)
    assert numbering.is_known
    numbering.doubt()
    assert not numbering.is_known


def test_after_a_silence_which_grows_while_nothing_new_comes(clock):
    numbering = Numbering(60)
    numbering.heard(fresh=True)
    found = []
    for _ in range(8):
        found.append(silence(numbering, clock))
        numbering.heard(fresh=False)
    assert found == [60, 120, 240, 480, 960, 1920, LONGEST_SILENCE, LONGEST_SILENCE]
    numbering.heard(fresh=True)
    assert silence(numbering, clock) == 60
