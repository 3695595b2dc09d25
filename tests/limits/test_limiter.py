"""Rate limits against a model: no window of time ever holds more starts than allowed, in memory as in Redis."""

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.limits.model import Clock, fits
from vkteams_bot.limits import Granted, Priority, RatePolicy, Share

rates = st.floats(0.1, 100)
bursts = st.integers(1, 10)
gaps = st.lists(st.just(0.0) | st.floats(0, 5), min_size=1, max_size=40)


@given(rates, bursts, gaps)
def test_no_window_holds_more_than_the_rate_and_a_burst(limiter_of, rate, burst, gaps):
    clock = Clock()
    limiter = limiter_of(clock, rate=rate, burst=burst)
    starts: list[float] = []
    for gap in gaps:
        clock.now += gap
        starts.append(clock.now + limiter.reserve("c"))
    assert fits(starts, rate, burst)
    assert starts == sorted(starts)


@given(rates, bursts, gaps)
def test_nobody_waits_longer_than_needed(limiter_of, rate, burst, gaps):
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
def test_each_chat_keeps_its_own_rate(limiter_of, rate, burst, asked):
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
def test_with_both_limits_each_holds_for_what_waits_for_it(limiter_of, rate, burst, chat_rate, asked):
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
def test_pauses_and_tries_keep_the_limit(limiter_of, rate, burst, steps):
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


def test_try_take_takes_only_what_is_free(limiter_of):
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


def test_try_that_failed_costs_nothing(limiter_of):
    clock = Clock()
    limiter = limiter_of(clock, rate=1, burst=1)
    assert limiter.try_take(None)
    for _ in range(100):
        assert not limiter.try_take(None)
    clock.now += 1
    assert limiter.try_take(None)


def test_waiting_chat_holds_up_no_other(limiter_of):
    clock = Clock()
    limiter = limiter_of(clock, rate=100, burst=100, chat_rate=1)
    waits = [limiter.reserve("busy") for _ in range(10)]
    assert waits == pytest.approx(list(range(10)))
    assert limiter.reserve("other") == 0
    assert limiter.reserve(None) == 0


def test_no_policy_is_no_limit(limiter_of):
    limiter = limiter_of(Clock())
    assert {limiter.reserve(chat) for chat in ("a", None) for _ in range(1000)} == {0.0}
    assert limiter.try_take("a")
    assert limiter.take(1000, Priority.BULK, Share("a", 0.1)) == Granted(1000)
    assert limiter.take_chats(["a", "a"]) == [0, 0]
    limiter.give_back(1000)
    assert limiter.pause_left() == 0


def test_shorter_pause_does_not_cut_a_longer_one(limiter_of):
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


def test_after_a_pause_waiters_come_one_by_one_and_slower(limiter_of):
    limiter = limiter_of(Clock(), rate=2, burst=2)
    limiter.pause(10)
    assert [limiter.reserve(None) for _ in range(5)] == pytest.approx([10, 11, 12, 13, 14])


def test_threads_share_one_limit(limiter_of):
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


priorities = st.sampled_from([Priority.NOTIFICATION, Priority.BULK])


@given(rates, bursts, st.lists(st.tuples(st.just(0.0) | st.floats(0, 1), priorities, st.integers(0, 12)), max_size=40))
def test_batches_keep_the_limit_and_leave_the_reserve(limiter_of, rate, burst, batches):
    """Half of each batch is given back; now and then a reply comes."""
    clock = Clock()
    limiter = limiter_of(clock, rate=rate, burst=burst)
    kept = {priority: burst - RatePolicy(rate=rate, burst=burst).room(priority) for priority in Priority}
    starts: list[float] = []
    for gap, priority, count in batches:
        clock.now += gap
        granted = limiter.take(count, priority)
        assert 0 <= granted.count <= count
        if granted.count:
            replies = [limiter.try_take("c") for _ in range(kept[priority])]
            assert all(replies)
            starts += [clock.now] * len(replies)
        limiter.give_back(granted.count // 2)
        starts += [clock.now] * (granted.count - granted.count // 2)
    assert fits(starts, rate, burst)


@given(rates, bursts, priorities, st.floats(0.1, 1), st.integers(1, 20))
def test_who_waits_as_told_gets_a_turn_and_the_whole_rate(limiter_of, rate, burst, priority, part, count):
    clock = Clock()
    limiter = limiter_of(clock, rate=rate, burst=burst)
    share = Share("s", part)
    starts: list[float] = []
    while len(starts) < 20:
        granted = limiter.take(count, priority, share)
        if not granted.count:
            assert granted.wait > 0
            clock.now += granted.wait
            granted = limiter.take(count, priority, share)
        assert granted.count >= 1
        starts += [clock.now] * granted.count
    assert fits(starts, rate, burst)
    assert fits(starts, rate * part, RatePolicy(rate=rate, burst=burst).share_burst(share))
    assert clock.now <= len(starts) / (rate * part) + 1e-6


@pytest.mark.parametrize(
    ("burst", "rooms"), [(1, [1, 1, 1]), (2, [2, 2, 1]), (3, [3, 3, 1]), (5, [5, 4, 2]), (8, [8, 6, 4])]
)
def test_room_by_priority(burst, rooms):
    policy = RatePolicy(rate=1, burst=burst)
    assert [policy.room(priority) for priority in Priority] == rooms


def test_replies_do_not_feel_a_broadcast_at_the_limit(limiter_of):
    """They come by chance and need a third of the rate; bulk takes what it gets, and looks a millisecond late."""
    chance = random.Random(1)
    clock = Clock()
    limiter = limiter_of(clock, rate=30)
    waits: list[float] = []
    bulk, look_at, reply_at = 0, 0.0, 0.0
    while len(waits) < 500:
        reply_at += chance.expovariate(10)
        while look_at <= reply_at:
            clock.now = look_at
            granted = limiter.take(20, Priority.BULK)
            bulk += granted.count
            look_at += granted.wait + 0.001
        clock.now = reply_at
        waits.append(limiter.reserve(None))
    assert sum(wait > 0 for wait in waits) <= 0.02 * len(waits)
    assert (bulk + len(waits)) / clock.now >= 0.98 * 30


@pytest.mark.parametrize("priority", [Priority.NOTIFICATION, Priority.BULK])
def test_batches_wait_for_replies_that_wait(limiter_of, priority):
    clock = Clock()
    limiter = limiter_of(clock, rate=1, burst=1)
    assert [limiter.reserve(None) for _ in range(3)] == [0, 1, 2]
    assert limiter.take(5, priority) == Granted(0, 3)
    clock.now += 3
    assert limiter.take(5, priority) == Granted(1)


def test_notifications_go_before_bulk(limiter_of):
    clock = Clock()
    limiter = limiter_of(clock, rate=1, burst=4)
    taken = {Priority.NOTIFICATION: 0, Priority.BULK: 0}
    for _ in range(100):
        clock.now += 0.5
        for priority in (Priority.BULK, Priority.NOTIFICATION):
            taken[priority] += limiter.take(1, priority).count
    assert taken[Priority.BULK] <= 2
    assert taken[Priority.NOTIFICATION] >= 49


def test_turns_given_back_are_there_for_the_next(limiter_of):
    limiter = limiter_of(Clock(), rate=1, burst=8)
    for _ in range(3):
        assert limiter.take(100, Priority.REPLY) == Granted(8)
        assert limiter.take(1, Priority.REPLY).count == 0
        limiter.give_back(8)
    assert [limiter.try_take(None) for _ in range(9)] == [True] * 8 + [False]


def test_turns_of_a_share_are_given_back_to_it_and_to_the_bot(limiter_of):
    limiter = limiter_of(Clock(), rate=1, burst=8)
    share = Share("s", 0.5)
    for _ in range(10):
        assert limiter.take(100, Priority.BULK, share).count == 2
        limiter.give_back(2, share)
    assert limiter.take(100, Priority.BULK).count == 4


def test_shares_are_counted_by_name(limiter_of):
    limiter = limiter_of(Clock(), rate=1, burst=20)
    assert limiter.take(100, Priority.BULK, Share("a", 0.5)).count == 5
    assert limiter.take(100, Priority.BULK, Share("a", 0.5)).wait == pytest.approx(2)
    assert limiter.take(100, Priority.BULK, Share("b", 0.2)).count == 2
    limiter.give_back(4, Share("a", 0.5))
    assert limiter.take(100, Priority.BULK, Share("a", 0.5)).count == 4
    assert limiter.take(100, Priority.BULK).count == 3


def test_chats_of_a_batch(limiter_of):
    clock = Clock()
    limiter = limiter_of(clock, rate=100, burst=10, chat_rate=0.5)
    assert limiter.reserve("a") == 0
    assert limiter.take(3, Priority.BULK).count == 3
    assert limiter.take_chats(["a", "b", "b"]) == pytest.approx([2, 0, 2])
    clock.now += 2
    assert limiter.take_chats(["b"]) == [0]
    assert limiter.try_take("a")
    assert not limiter.try_take("b")


def test_pause_holds_lots(limiter_of):
    clock = Clock()
    limiter = limiter_of(clock, rate=10)
    limiter.pause(4)
    assert limiter.take(5, Priority.BULK) == Granted(0, 4)
    unlimited = limiter_of(clock)
    unlimited.pause(4)
    assert unlimited.take(5, Priority.BULK) == Granted(0, 4)


def seconds_of(limiter, clock, turns):
    """For so many turns after a first one."""
    clock.now += limiter.reserve(None)
    started = clock.now
    for _ in range(turns):
        clock.now += limiter.reserve(None)
    return clock.now - started


def test_refusals_lower_the_rate_until_it_recovers(limiter_of):
    clock = Clock()
    limiter = limiter_of(clock, rate=100, burst=1)
    for _ in range(20):
        limiter.pause(0)  # requests that left together are refused together
    assert seconds_of(limiter, clock, 10) == pytest.approx(10 / 50, rel=0.05)
    clock.now += 2
    limiter.pause(0)
    assert seconds_of(limiter, clock, 10) == pytest.approx(10 / 27, rel=0.05)
    clock.now += 30
    assert seconds_of(limiter, clock, 10) == pytest.approx(10 / 77, rel=0.05)
    clock.now += 30
    assert seconds_of(limiter, clock, 10) == pytest.approx(10 / 100, rel=0.05)


def test_pause_of_unknown_length_grows_while_it_is_not_enough(limiter_of):
    clock = Clock()
    limiter = limiter_of(clock)
    pauses = []
    for _ in range(6):
        limiter.pause()
        pauses.append(limiter.pause_left())
        clock.now += pauses[-1] + 0.5
    assert pauses == pytest.approx([1, 2, 4, 8, 8, 8], rel=0.2)
    clock.now += 60
    limiter.pause()
    assert limiter.pause_left() == pytest.approx(1)


def test_the_rate_never_stops(limiter_of):
    clock = Clock()
    limiter = limiter_of(clock, rate=16, burst=1)
    for _ in range(50):
        clock.now += 1.5
        limiter.pause(0)
    assert seconds_of(limiter, clock, 3) <= 3
