"""Several real processes at one limit in Redis."""

import json
import random
import secrets
import sys
import time

import pytest
from redis import Redis

from tests.limits.sender import impatient_client
from vkteams_bot.limits import Priority, RatePolicy
from vkteams_bot.limits.shared import SharedLimiter

pytestmark = [pytest.mark.process, pytest.mark.redis, pytest.mark.slow]

RATE, BURST, SECONDS, PROCESSES = 50, 10, 6, 4


@pytest.fixture
def key():
    return secrets.token_hex(8)


@pytest.fixture
def senders(start, key):
    """Start processes that begin at the same moment."""

    def senders(url, count, priority, seconds=SECONDS):
        limits = (str(RATE), str(BURST), str(seconds))
        command = (sys.executable, "-m", "tests.limits.sender", url, key, str(int(priority)), *limits)
        started = [start(*command) for _ in range(count)]
        for sender in started:
            sender.wait_for_line("ready")
        with Redis.from_url(url) as redis:
            redis.set(f"{key}:begin", str(time.time()), ex=60)
        return started

    return senders


def sent_by(senders):
    sent = []
    for sender in senders:
        own = json.loads(sender.wait_for_line(r"^\[").string)
        assert own, "each gets some"
        sent += own
    return sorted(sent)


def crowd(sent):
    """The most in any second. Who was told to wait may start a little late, which crowds those after him."""
    return max(sum(moment <= other < moment + 1 for other in sent) for moment in sent)


@pytest.mark.parametrize("priority", Priority)
def test_four_processes_at_the_limit_send_as_one(priority, senders, redis_url):
    sent = sent_by(senders(redis_url, PROCESSES, priority))
    assert 0.8 * RATE * SECONDS <= len(sent) <= RATE * SECONDS + BURST
    assert crowd(sent) <= RATE + BURST + PROCESSES


def test_replies_find_free_turns_while_others_send_bulk(senders, redis_url, key):
    bulk = senders(redis_url, 3, Priority.BULK)
    end = time.time() + SECONDS
    with impatient_client(redis_url) as redis:
        limiter = SharedLimiter(RatePolicy(rate=RATE, burst=BURST), redis, key=key)
        found = []
        while time.time() < end:
            time.sleep(random.expovariate(RATE / 4))
            found.append(limiter.try_take("c"))
    assert sum(found) >= 0.95 * len(found)
    assert sum(found) + len(sent_by(bulk)) >= 0.8 * RATE * SECONDS


def test_while_redis_is_away_they_neither_stop_nor_flood(senders, private_redis):
    started = senders(private_redis.url, PROCESSES, Priority.REPLY, seconds=11)
    time.sleep(1.5)
    private_redis.stop()
    stopped = time.time()
    time.sleep(2)
    private_redis.start()
    sent = sent_by(started)
    # They share again five to seven seconds after it went away.
    away = sum(stopped <= moment < stopped + 5 for moment in sent)
    back = sum(stopped + 7.5 <= moment < stopped + 9.5 for moment in sent)
    assert 0.8 * RATE * 5 <= away <= RATE * 5 + PROCESSES
    assert 0.8 * RATE * 2 <= back <= RATE * 2 + BURST
    assert crowd(sent) <= RATE + BURST + 2 * PROCESSES
