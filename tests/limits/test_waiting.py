import asyncio
from itertools import pairwise

import pytest

from tests.limits.model import Clock
from vkteams_bot.limits import Limiter, LocalLimiter, RatePolicy, wait_turn, wait_turn_sync


class Waiting:
    """Waits by `wait_turn` or its synchronous twin. `naps` are the sleeps; `during[n]` is called within the n-th."""

    def __init__(self, face):
        self.face = face
        self.clock = Clock()
        self.naps = []
        self.during = {}

    def __call__(self, limiter: Limiter, chat=None):
        if self.face == "sync":
            wait_turn_sync(limiter, chat)
        else:
            asyncio.run(wait_turn(limiter, chat))

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
