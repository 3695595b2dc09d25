"""What only a limit in Redis has: several processes, clocks that differ, and Redis that goes away."""

import asyncio
import logging
import re
import secrets
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.limits.conftest import clocked
from tests.limits.model import Clock
from tests.limits.sender import impatient_client
from tests.processes import wait_until
from vkteams_bot.backoff import Backoff
from vkteams_bot.exceptions import RateLimited
from vkteams_bot.limits import LocalLimiter, Priority, RatePolicy, Share, wait_turn
from vkteams_bot.limits.shared import PAUSE_LOOK_SECONDS, PROCESSES_ASSUMED, SharedLimiter

pytestmark = pytest.mark.redis


@pytest.fixture
def key():
    return secrets.token_hex(8)


chats = st.sampled_from([None, "a", "b"])
steps = st.one_of(
    st.tuples(st.just("reserve"), chats),
    st.tuples(st.just("reserve"), chats, st.sampled_from([0.0, 1.0, 30.0])),
    st.tuples(st.just("try_take"), chats),
    st.tuples(st.just("take"), st.integers(0, 9), st.sampled_from(Priority), st.sampled_from([None, Share("s", 0.3)])),
    st.tuples(st.just("give_back"), st.integers(0, 3), st.sampled_from([None, Share("s", 0.3)])),
    st.tuples(st.just("take_chats"), st.lists(st.sampled_from("abc"), max_size=4)),
    st.tuples(st.just("pause"), st.sampled_from([None, 0.0, 0.5, 3.0])),
    st.tuples(st.just("pause_left")),
    st.tuples(st.just("wait"), st.floats(0, 2)),
)


def outcome(operation, arguments):
    """The result, or how long the pause is that it refused to wait for."""
    try:
        return operation(*arguments)
    except RateLimited as error:
        return [error.retry_after]


@given(st.none() | st.floats(0.5, 50), st.integers(1, 8), st.none() | st.floats(0.5, 5), st.lists(steps, max_size=40))
def test_it_does_what_the_local_one_does(redis, rate, burst, chat_rate, steps):
    clock = Clock()
    policy = RatePolicy(rate=rate, burst=burst, chat_rate=chat_rate)
    local = LocalLimiter(policy, clock=clock)
    remote = SharedLimiter(policy, clocked(redis, clock), key=secrets.token_hex(8), clock=clock)
    for name, *arguments in steps:
        if name == "wait":
            clock.now += arguments[0]
            continue
        there, here = (outcome(getattr(limiter, name), arguments) for limiter in (remote, local))
        if name == "take":
            assert (there.count, there.wait) == (here.count, pytest.approx(here.wait, abs=1e-9))
        else:
            assert there == (here if here is None else pytest.approx(here, abs=1e-9))


def test_processes_share_by_the_clock_of_the_server(redis, key):
    policy = RatePolicy(rate=0.5, burst=4)
    far = [SharedLimiter(policy, redis, key=key, clock=Clock(now)) for now in (0.0, 1e9, -5000.0)]
    waits = [limiter.reserve(None) for _ in range(3) for limiter in far]
    assert waits == pytest.approx([0, 0, 0, 0, 2, 4, 6, 8, 10], abs=0.5)
    assert far[0].take(1, Priority.REPLY).wait == pytest.approx(12, abs=0.5)


def test_bots_do_not_share(redis):
    limiters = [SharedLimiter(RatePolicy(rate=0.1, burst=1), redis, key=secrets.token_hex(8)) for _ in range(2)]
    assert [limiter.reserve("c") for limiter in limiters] == [0, 0]


@pytest.mark.parametrize("rate", [None, 100])
def test_a_pause_is_heeded_by_all(redis, key, rate):
    told, other = (SharedLimiter(RatePolicy(rate=rate), redis, key=key) for _ in range(2))
    assert other.pause_left() == 0
    asked = time.monotonic()
    told.pause(30)
    wait_until(lambda: other.pause_left() > 0, 5, "the other one knows")
    assert time.monotonic() - asked < PAUSE_LOOK_SECONDS + 0.5
    with pytest.raises(RateLimited) as caught:
        other.reserve("c", 20)
    assert caught.value.retry_after == pytest.approx(30, abs=1)
    assert other.reserve("c") == pytest.approx(30, abs=1)
    assert not other.try_take("c")
    assert not other.take(1, Priority.NOTIFICATION).count


def test_without_limits_it_asks_ten_times_a_second(redis, key, monkeypatch):
    clock = Clock()
    limiter = SharedLimiter(RatePolicy(), redis, key=key, clock=clock)
    trips = []
    script = limiter._link._script

    def counted(**call):
        trips.append(call)
        return script(**call)

    monkeypatch.setattr(limiter._link, "_script", counted)
    for _ in range(1000):
        clock.now += 0.001
        assert limiter.reserve("c") == 0
        assert limiter.try_take("c")
        assert limiter.take(5, Priority.BULK).count == 5
        assert limiter.take_chats(["c"]) == [0]
        limiter.give_back(1)
    assert 9 <= len(trips) <= 11


def test_keys_are_of_one_slot_and_do_not_stay(redis, key):
    limiter = SharedLimiter(RatePolicy(rate=10, chat_rate=1), redis, key=key)
    limiter.reserve("a")
    assert limiter.take(1, Priority.BULK, Share("broadcast 7", 0.5)).count == 1
    limiter.pause(1)
    keys = [name.decode() for name in redis.scan_iter(f"*{key}*")]
    assert len(keys) == 4
    for name in keys:
        assert name.startswith(f"{{vkteams:{key}}}:")
        assert 0 < redis.ttl(name) <= 70


def test_a_script_that_was_flushed_is_loaded_again(redis, key, caplog):
    limiter = SharedLimiter(RatePolicy(rate=0.1, burst=2), redis, key=key)
    assert limiter.try_take(None)
    redis.script_flush()
    assert [limiter.try_take(None), limiter.try_take(None)] == [True, False]
    assert not caplog.records


# Redis goes away.


@pytest.fixture
def impatient(private_redis):
    with impatient_client(private_redis.url, seconds=0.2) as client:
        yield client


QUICKLY = Backoff(first=0.05, longest=0.05)


def test_while_redis_is_away_each_sends_its_share(private_redis, impatient, key, caplog):
    caplog.set_level(logging.INFO, "vkteams_bot.limits")
    # A day for all: what a process has at its share comes in days, whatever the clock does meanwhile.
    policy = RatePolicy(rate=1 / 86400, burst=50, chat_rate=1 / 10)
    limiters = [SharedLimiter(policy, impatient, key=key, backoff=QUICKLY, title="shop") for _ in range(3)]
    for limiter in (*limiters, limiters[0]):
        assert limiter.try_take(None)
    private_redis.stop()
    days = [limiters[0].reserve(None) / 86400 for _ in range(3)]
    assert days == pytest.approx([3, 6, 9], abs=0.01), "a third of the rate, no burst"
    assert not limiters[0].try_take(None)
    warnings = [
        record for record in caplog.records if record.levelno == logging.WARNING and "bot shop" in record.getMessage()
    ]
    assert [record.getMessage().partition(":")[0] for record in warnings] == ["Redis does not answer (ConnectionError"]
    assert re.search("share of the rate limit of bot shop", warnings[0].getMessage())

    private_redis.start()
    wait_until(lambda: not limiters[0]._link.is_lost, 10, "the limit is shared again")
    # A limiter of an earlier test may find its Redis again just now.
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert [message for message in messages if "bot shop" in message] == [
        "Redis answers again: all processes of bot shop share its rate limit"
    ]
    assert [limiters[0].try_take(None) for _ in range(3)] == [True, False, False], "no burst after a time of which"


def test_redis_that_was_never_there(private_redis, impatient, key):
    private_redis.stop()
    limiter = SharedLimiter(RatePolicy(rate=1, burst=50, chat_rate=0.1), impatient, key=key, backoff=QUICKLY)
    assert [limiter.reserve(None) for _ in range(2)] == pytest.approx(
        [PROCESSES_ASSUMED, 2 * PROCESSES_ASSUMED], abs=0.5
    )
    assert limiter.take_chats(["c", "c"]) == pytest.approx([0, 10 * PROCESSES_ASSUMED], abs=0.5)
    assert limiter.take(1, Priority.BULK).count == 0
    assert limiter.pause_left() == 0
    limiter.give_back(1)


def test_turns_given_back_while_redis_is_away_are_there_for_the_next(private_redis, impatient, key):
    private_redis.stop()
    clock = Clock()
    limiter = SharedLimiter(RatePolicy(rate=1, burst=8), impatient, key=key, clock=clock)
    share = Share("s", 0.5)
    limiter.reserve(None)
    clock.now += 100
    for _ in range(3):
        assert limiter.take(5, Priority.REPLY, share).count == 1
        assert limiter.take(5, Priority.REPLY).count == 0
        limiter.give_back(1, share)


@pytest.mark.parametrize("rate", [None, 100])
def test_a_pause_told_while_redis_is_away_is_told_to_all_when_it_is_back(private_redis, impatient, key, rate):
    told, other = (SharedLimiter(RatePolicy(rate=rate), impatient, key=key, backoff=QUICKLY) for _ in range(2))
    private_redis.stop()
    assert other.pause_left() == 0
    told.pause(60)
    assert told.reserve("c") == pytest.approx(60, abs=1)
    with pytest.raises(RateLimited):
        told.reserve("c", 30)
    private_redis.start()
    wait_until(lambda: other.pause_left() > 30, 10, "the pause is known")


def test_redis_that_hangs_does_not_hold_up_the_loop(private_redis, impatient, key):
    limiter = SharedLimiter(RatePolicy(rate=1000, burst=50), impatient, key=key, backoff=QUICKLY)

    async def main():
        gaps = []

        async def tick():
            last = time.monotonic()
            while True:
                await asyncio.sleep(0.005)
                now = time.monotonic()
                gaps.append(now - last)
                last = now

        ticking = asyncio.create_task(tick())
        await wait_turn(limiter, "c")
        with private_redis.hanging():
            for _ in range(100):
                await wait_turn(limiter, "c")
        ticking.cancel()
        return gaps

    gaps = asyncio.run(main())
    assert len(gaps) > 10
    assert max(gaps) < 1
    assert sum(gap > 0.15 for gap in gaps) < 10, "one of a hundred waited for it"
    wait_until(lambda: not limiter._link.is_lost, 10, "the limit is shared again")


def test_threads_notice_together(private_redis, impatient, key, caplog):
    limiter = SharedLimiter(RatePolicy(rate=0.01, burst=8), impatient, key=key, backoff=QUICKLY)
    assert limiter.try_take(None)
    private_redis.stop()
    threads = [threading.Thread(target=limiter.reserve, args=("c",)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caplog.records) == 1
    # One place counted all of them.
    assert limiter.reserve("c") == pytest.approx(17 * 100, abs=10)
