"""Nothing else to start: the polling process delivers what is due, workers take it over, and it takes it back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from tests.process.bench import Bench
from tests.process.workers import Workers, kill
from tests.processes import Process, wait_until
from tests.services import PrivateRedis
from vkteams_bot.models import Broadcast

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(180)]

DELAYS = """
from datetime import timedelta
from vkteams_bot import bot
bot.delay_many(bot.send_text(f"p{n}@example.com", str(n)) for n in range(100))
"""
LATER = """
bot.delay_many((bot.send_text(f"p{n}@example.com", str(100 + n)) for n in range(100)), at=timedelta(seconds=1))
"""
PEOPLE = [f"p{number}@example.com" for number in range(100)]
BY_RUNBOT = r"this process delivers delayed calls and broadcasts"
BY_WORKERS = r"Celery workers deliver delayed calls and broadcasts"


def run(start: Callable[..., Process], bench: Bench, *words: str, **settings: Any) -> None:
    env = bench.environment(**settings) | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    process = start(sys.executable, "manage.py", *words, env=env)
    assert process.wait(60) == 0, process


def assert_each_got_theirs_once(bench: Bench, count: int) -> None:
    for number, chat_id in enumerate(PEOPLE):
        said = [message["text"] for message in bench.emulator.said(chat_id)]
        assert said == [str(text) for text in range(number, count, len(PEOPLE))], chat_id


def test_without_a_broker_and_workers_what_is_delayed_arrives(bench: Bench, start: Callable[..., Process]):
    bench.emulator.people(PEOPLE)
    bot = bench.bot()
    bot.wait_for_line(BY_RUNBOT)
    run(start, bench, "shell", "-c", DELAYS + LATER)
    bench.database.wait_calls(200)
    assert_each_got_theirs_once(bench, 200)
    assert bot.returncode is None
    assert "broker" not in bot.output
    bot.terminate()
    assert bot.wait() == 0, bot


def test_without_a_broker_a_broadcast_is_expanded_sent_and_finished(bench: Bench, start: Callable[..., Process]):
    bench.emulator.people(PEOPLE)
    bench.bot()
    words = [word for chat_id in PEOPLE for word in ("--chat", chat_id)]
    run(start, bench, "broadcast", "send", "--text", "news", "--no-follow", *words)

    def broadcast() -> Broadcast:
        return Broadcast.objects.using(bench.database.alias).get()

    wait_until(lambda: broadcast().status == "finished", 60, "the broadcast is finished")
    assert broadcast().counts == {"sent": len(PEOPLE)}
    for chat_id in PEOPLE:
        assert [message["text"] for message in bench.emulator.said(chat_id)] == ["news"]


def test_killed_while_it_delivers_it_sends_nothing_twice(bench: Bench, start: Callable[..., Process]):
    bench.emulator.people(PEOPLE)
    bench.emulator.faults({"kind": "latency", "method": "messages/sendText", "seconds": 0.05})
    env = {"TESTBOT_CLAIM_SECONDS": "2"}
    bot = bench.bot(env=env)
    for _ in range(10):
        run(start, bench, "shell", "-c", DELAYS)
    bench.database.wait_calls(100)
    bot.kill()
    bot.wait()
    bench.bot(env=env)
    wait_until(lambda: not bench.database.calls.filter(status__in=("queued", "sending")).exists(), 90, "all settled")
    statuses = bench.database.call_statuses()
    assert statuses["sent"] + statuses["unknown"] == 1000
    assert statuses["unknown"] <= 100, "at most what was on its way"
    for chat_id in PEOPLE:
        rows = bench.database.calls.filter(chat_id=chat_id)
        arrived = len(bench.emulator.said(chat_id))
        assert rows.filter(status="sent").count() <= arrived <= rows.count()


@pytest.mark.redis
def test_workers_take_it_over_and_it_takes_it_back(
    bench: Bench, start: Callable[..., Process], private_redis: PrivateRedis
):
    bench.emulator.people(PEOPLE)
    workers = Workers(start, bench, private_redis.url)
    bot = bench.bot()
    bot.wait_for_line(BY_RUNBOT)
    worker, beat = workers.worker(), workers.beat()
    bot.wait_for_line(BY_WORKERS, timeout=30)
    workers.post(200)
    bench.database.wait_calls(200)

    kill(worker)
    kill(beat)
    killed_at = timezone.now()
    workers.post(100, "--chats", "1")
    bench.database.wait_calls(300, timeout=60)
    taken_back = bench.database.calls.order_by("finished_at").last().finished_at - killed_at
    assert taken_back.total_seconds() < 30, "a few seconds on a quiet machine"
    assert bench.database.call_statuses() == {"sent": 300}


@pytest.mark.redis
def test_a_worker_that_stops_in_order_hands_over_at_once(
    bench: Bench, start: Callable[..., Process], private_redis: PrivateRedis
):
    workers = Workers(start, bench, private_redis.url)
    bot = bench.bot()
    worker, beat = workers.worker(), workers.beat()
    bot.wait_for_line(BY_WORKERS, timeout=30)
    beat.terminate()
    beat.wait()
    worker.terminate()
    assert worker.wait() == 0, worker
    assert not bench.database.query("SELECT name FROM vkteams_bot_worker")
