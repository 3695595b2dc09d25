import asyncio
import math
from itertools import pairwise

import pytest

from tests.limits.model import Clock
from vkteams_bot.exceptions import RateLimited
from vkteams_bot.limits import Limiter, LocalLimiter, RatePolicy, wait_turn, wait_turn_sync


class Waiting:
    """Waits by `wait_turn` or its synchronous twin. `naps` are the sleeps; `during[n]` is called within the n-th."""

    def __init__(self, face):
        self.face = face
        self.clock = Clock()
        self.naps = []
        self.during = {}

    def __call__(self, limiter: Limiter, chat=None, longest_pause=math.inf):
        if self.face == "sync":
            return wait_turn_sync(limiter, chat, longest_pause)
        return asyncio.run(wait_turn(limiter, chat, longest_pause))

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.during.pop(len(self.naps), lambda: None)()
        self.clock.now += seconds

    async def asleep(self, seconds):
        self.sleep(seconds)


@pytest.fixture(params=["async", "sync"])
def wait(request, monkeypatch):
    waiting = Waiting(request.param)
    monkeypatch.setattr("asyncio.sleep", waiting.asleep)
    monkeypatch.setattr("time.sleep", waiting.sleep)
    return waiting


def test_waiting_takes_the_time_it_must(limiter_of, wait):
    limiter = limiter_of(wait.clock, rate=2, burst=1)
    for _ in range(3):
        wait(limiter)
    assert wait.naps == pytest.approx([0.5, 0.5])


def test_turn_that_comes_up_in_a_pause_is_taken_anew(limiter_of, wait):
    limiter = limiter_of(wait.clock, rate=1, burst=1)
    wait(limiter)
    wait.during[1] = lambda: limiter.pause(60)
    wait(limiter)
    assert wait.clock.now >= 60
    assert wait.naps == pytest.approx([1, 59])


def test_pause_in_a_pause_is_waited_for(limiter_of, wait):
    limiter = limiter_of(wait.clock)
    limiter.pause(5)
    wait.during[1] = lambda: limiter.pause(20)
    wait(limiter)
    assert wait.naps == pytest.approx([5, 15])


@pytest.mark.parametrize("policy", [{}, {"rate": 1, "burst": 1}, {"rate": 1, "burst": 1, "chat_rate": 0.1}])
def test_pause_longer_than_the_caller_waits_is_told_at_once_and_costs_no_turn(limiter_of, wait, policy):
    limiter = limiter_of(wait.clock, **policy)
    limiter.pause(3600)
    for _ in range(100):
        with pytest.raises(RateLimited) as caught:
            wait(limiter, "c", 30)
        assert caught.value.retry_after == pytest.approx(3600)
    assert wait.naps == []
    wait.clock.now += 3600
    assert wait(limiter, "c", 30) == pytest.approx(0)
    assert sum(wait.naps) <= 2


def test_pause_that_the_caller_waits_for_is_reported(limiter_of, wait):
    limiter = limiter_of(wait.clock)
    limiter.pause(20)
    assert wait(limiter, "c", 30) == pytest.approx(20)
    assert wait.naps == [pytest.approx(20)]


def test_pauses_one_after_another_are_counted_together(limiter_of, wait):
    """The server told one of many callers again and again to wait 20 s: the others waited for ever."""
    limiter = limiter_of(wait.clock)
    limiter.pause(20)
    wait.during[1] = lambda: limiter.pause(20 + 20)
    with pytest.raises(RateLimited) as caught:
        wait(limiter, None, 30)
    assert caught.value.retry_after == pytest.approx(20)
    assert wait.naps == [pytest.approx(20)]


def test_pause_that_begins_while_one_waits_in_line_ends_the_waiting(limiter_of, wait):
    limiter = limiter_of(wait.clock, rate=0.1, burst=1)
    wait(limiter)
    wait.during[1] = lambda: limiter.pause(3600)
    with pytest.raises(RateLimited) as caught:
        wait(limiter, None, 30)
    assert caught.value.retry_after == pytest.approx(3590)
    assert wait.naps == [pytest.approx(10)]


def test_line_is_waited_for_however_long_it_is(limiter_of, wait):
    limiter = limiter_of(wait.clock, rate=0.01, burst=1, chat_rate=0.001)
    assert [wait(limiter, "c", 30) for _ in range(3)] == [0, 0, 0]
    assert wait.naps == pytest.approx([1000, 1000])


def test_timer_that_fires_a_little_early_costs_no_second_turn(limiter_of, wait, monkeypatch):
    limiter = limiter_of(wait.clock, rate=1, burst=1)
    limiter.pause(5)
    original = limiter.pause_left
    monkeypatch.setattr(limiter, "pause_left", lambda: original() + 0.001)
    wait(limiter)
    assert wait.naps == [5]


def test_waiters_at_the_end_of_a_pause_keep_the_rate():
    """In real time: ten wait in line, then the server says to come back later."""

    async def main():
        limiter = LocalLimiter(RatePolicy(rate=100, burst=1))
        loop = asyncio.get_running_loop()
        starts = []

        async def one():
            await wait_turn(limiter, None)
            starts.append(loop.time())

        tasks = [asyncio.create_task(one()) for _ in range(10)]
        await asyncio.sleep(0)
        resumes = loop.time() + 0.2
        limiter.pause(0.2)
        await asyncio.gather(*tasks)
        return starts, resumes

    starts, resumes = asyncio.run(main())
    assert len([start for start in starts if start < resumes - 0.02]) == 1  # the one that had not to wait
    waited = sorted(starts)[1:]
    assert waited[-1] - waited[0] >= 0.07
    assert all(later >= earlier for earlier, later in pairwise(waited))
