"""Rate limits against a model: no window of time ever holds more starts than allowed."""

import asyncio
import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vkteams_bot.limits import Limiter, LocalLimiter, RatePolicy, bucket, wait_turn, wait_turn_sync


class Clock:
    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


def limiter_of(clock, **policy):
    return LocalLimiter(RatePolicy(**policy), clock=clock)


def fits(starts, rate, burst):
    """True if every window of t seconds holds at most rate * t + burst starts."""
    starts = sorted(starts)
    return all(
        last - first + 1 <= rate * (starts[last] - starts[first]) + burst + 1e-6
        for first in range(len(starts))
        for last in range(first, len(starts))
    )


rates = st.floats(0.1, 100)
bursts = st.integers(1, 10)
gaps = st.lists(st.just(0.0) | st.floats(0, 5), min_size=1, max_size=40)


@given(rates, bursts, gaps)
def test_no_window_holds_more_than_the_rate_and_a_burst(rate, burst, gaps):
    clock = Clock()
    limiter = limiter_of(clock, rate=rate, burst=burst)
    starts = []
    for gap in gaps:
        clock.now += gap
        starts.append(clock.now + limiter.reserve("c"))
    assert fits(starts, rate, burst)
    assert starts == sorted(starts)


@given(rates, bursts, gaps)
def test_nobody_waits_longer_than_needed(rate, burst, gaps):
    """The n-th start is as early as a bucket of `burst` tokens, refilled at `rate`, allows."""
    clock = Clock()
    limiter = limiter_of(clock, rate=rate, burst=burst)
    tokens, refilled_at = float(burst), 0.0
    for gap in gaps:
        clock.now += gap
        start = max(clock.now, refilled_at)
        tokens = min(burst, tokens + (start - refilled_at) * rate)
        if tokens < 1:
            start += (1 - tokens) / rate
            tokens = 1.0
        tokens -= 1
        refilled_at = start
        assert clock.now + limiter.reserve(None) == pytest.approx(start, abs=1e-6)


@given(rates, bursts, st.lists(st.tuples(st.floats(0, 5), st.sampled_from("abc")), min_size=1, max_size=40))
def test_each_chat_keeps_its_own_rate(rate, burst, asked):
    clock = Clock()
    limiter = limiter_of(clock, rate=1000, burst=1000, chat_rate=rate, chat_burst=burst)
    starts: dict[str, list[float]] = {}
    for gap, chat in asked:
        clock.now += gap
        starts.setdefault(chat, []).append(clock.now + limiter.reserve(chat))
    for times in starts.values():
        assert fits(times, rate, burst)


@given(
    rates,
    bursts,
    rates,
    st.lists(st.tuples(st.just(0.0) | st.floats(0, 5), st.sampled_from(["a", "b", None])), min_size=1, max_size=40),
)
def test_with_both_limits_each_holds_for_what_waits_for_it(rate, burst, chat_rate, asked):
    """A turn counts for the bot when the bot has room for it, for its chat when it starts."""
    clock, alone = Clock(), Clock()
    limiter = limiter_of(clock, rate=rate, burst=burst, chat_rate=chat_rate)
    bot_only = limiter_of(alone, rate=rate, burst=burst)
    for_bot: list[float] = []
    for_chat: dict[str, list[float]] = {}
    for gap, chat in asked:
        clock.now += gap
        alone.now = clock.now
        start = clock.now + limiter.reserve(chat)
        turn = alone.now + bot_only.reserve(None)
        assert start >= turn - 1e-9
        for_bot.append(turn)
        if chat is None:
            assert start == pytest.approx(turn)
        else:
            for_chat.setdefault(chat, []).append(start)
    assert fits(for_bot, rate, burst)
    for times in for_chat.values():
        assert fits(times, chat_rate, 1)


@given(rates, bursts, st.lists(st.sampled_from(["try", "reserve", "pause", "wait"]), max_size=40))
def test_pauses_and_tries_keep_the_limit(rate, burst, steps):
    clock = Clock()
    limiter = limiter_of(clock, rate=rate, burst=burst)
    starts, paused_until = [], 0.0
    for step in steps:
        if step == "try" and limiter.try_take("c"):
            assert clock.now >= paused_until
            starts.append(clock.now)
        elif step == "reserve":
            start = clock.now + limiter.reserve("c")
            assert start >= paused_until - 1e-9
            starts.append(start)
        elif step == "pause":
            limiter.pause(3)
            paused_until = max(paused_until, clock.now + 3)
            assert limiter.pause_left() == pytest.approx(paused_until - clock.now)
        elif step == "wait":
            clock.now += 0.7
    # Those that waited when the pause came take their turns anew; here they started in it.
    if "pause" not in steps:
        assert fits(starts, rate, burst)


def test_try_take_takes_only_what_is_free():
    clock = Clock()
    limiter = limiter_of(clock, rate=1, burst=2, chat_rate=0.5)
    assert [limiter.try_take("a"), limiter.try_take("a"), limiter.try_take("b"), limiter.try_take("c")] == [
        True,
        False,
        True,
        False,
    ]
    clock.now += 1
    assert [limiter.try_take("a"), limiter.try_take("c"), limiter.try_take("d")] == [False, True, False]


def test_try_that_failed_costs_nothing():
    clock = Clock()
    limiter = limiter_of(clock, rate=1, burst=1)
    assert limiter.try_take(None)
    for _ in range(100):
        assert not limiter.try_take(None)
    clock.now += 1
    assert limiter.try_take(None)


def test_waiting_chat_holds_up_no_other():
    clock = Clock()
    limiter = limiter_of(clock, rate=100, burst=100, chat_rate=1)
    waits = [limiter.reserve("busy") for _ in range(10)]
    assert waits == pytest.approx(list(range(10)))
    assert limiter.reserve("other") == 0
    assert limiter.reserve(None) == 0


def test_no_policy_is_no_limit():
    limiter = LocalLimiter(RatePolicy())
    assert {limiter.reserve(chat) for chat in ("a", None) for _ in range(1000)} == {0.0}
    assert limiter.try_take("a")
    assert limiter.pause_left() == 0


def test_shorter_pause_does_not_cut_a_longer_one():
    clock = Clock()
    limiter = limiter_of(clock)
    limiter.pause(10)
    limiter.pause(1)
    assert limiter.reserve(None) == 10
    clock.now += 4
    assert limiter.pause_left() == 6
    assert not limiter.try_take(None)
    clock.now += 6
    assert limiter.try_take(None)


def test_after_a_pause_waiters_come_one_by_one():
    clock = Clock()
    limiter = limiter_of(clock, rate=2, burst=2)
    limiter.pause(10)
    assert [limiter.reserve(None) for _ in range(5)] == pytest.approx([10, 10, 10.5, 11, 11.5])


@pytest.mark.parametrize("values", [{"rate": 0}, {"rate": -1}, {"chat_rate": 0}, {"rate": float("nan")}])
def test_rate_must_be_positive(values):
    with pytest.raises(ValueError, match=f"{next(iter(values))} must be positive"):
        RatePolicy(**values)


@pytest.mark.parametrize("values", [{"burst": 0}, {"chat_burst": -1}])
def test_burst_must_be_at_least_one(values):
    with pytest.raises(ValueError, match="burst must be at least 1"):
        RatePolicy(**values)


def test_idle_chats_are_forgotten(monkeypatch):
    monkeypatch.setattr(bucket, "CHATS_REMEMBERED", 100)
    clock = Clock()
    limiter = limiter_of(clock, chat_rate=1)
    for number in range(5000):
        clock.now += 0.1
        assert limiter.reserve(str(number)) == 0
        assert len(limiter._chats) <= 101
    # One that still has to wait is not.
    assert limiter.reserve("4999") == pytest.approx(1)


def test_many_busy_chats_do_not_make_each_turn_slow(monkeypatch):
    """Once more chats were busy than are remembered, each new one looked through all of them."""
    monkeypatch.setattr(bucket, "CHATS_REMEMBERED", 10)
    sweeps = []
    original = LocalLimiter._forget_idle_chats

    def counted(self):
        sweeps.append(len(self._chats))
        original(self)

    monkeypatch.setattr(LocalLimiter, "_forget_idle_chats", counted)
    clock = Clock()
    limiter = limiter_of(clock, chat_rate=0.001)
    for number in range(2000):
        limiter.reserve(str(number))
    assert len(limiter._chats) == 2000
    assert len(sweeps) <= 12
    clock.now += 10_000
    for number in range(3000):
        limiter.reserve(f"new {number}")
    assert "0" not in limiter._chats


def test_threads_share_one_limit():
    clock = Clock()
    limiter = limiter_of(clock, rate=10, burst=5)
    waits: list[float] = []
    barrier = threading.Barrier(8)

    def take():
        barrier.wait()
        for _ in range(250):
            waits.append(limiter.reserve("c"))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waits.sort()
    assert waits[:5] == [0.0] * 5
    assert waits[5:] == pytest.approx([0.1 * n for n in range(1, 1996)])


# Waiting.


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


def test_waiting_takes_the_time_it_must(wait):
    limiter = limiter_of(wait.clock, rate=2, burst=1)
    for _ in range(3):
        wait(limiter)
    assert wait.naps == pytest.approx([0.5, 0.5])


def test_turn_that_comes_up_in_a_pause_is_taken_anew(wait):
    limiter = limiter_of(wait.clock, rate=1, burst=1)
    wait(limiter)
    wait.during[1] = lambda: limiter.pause(60)
    wait(limiter)
    assert wait.clock.now >= 60
    assert wait.naps == pytest.approx([1, 59])


def test_pause_in_a_pause_is_waited_for(wait):
    limiter = limiter_of(wait.clock)
    limiter.pause(5)
    wait.during[1] = lambda: limiter.pause(20)
    wait(limiter)
    assert wait.naps == pytest.approx([5, 15])


def test_timer_that_fires_a_little_early_costs_no_second_turn(wait, monkeypatch):
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
