"""Real workers prepare and deliver a broadcast: nobody gets it twice, nobody is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.bench import Bench, Database
from tests.process.mailing import Mailing
from tests.process.workers import Workers, kill
from tests.processes import Process, wait_until
from tests.services import PrivateRedis

pytestmark = [pytest.mark.process, pytest.mark.redis, pytest.mark.slow, pytest.mark.timeout(600)]

PEOPLE = 2_000
IN_FLIGHT = 2 * 100
"""Of the two processes of a worker."""


class Post:
    """Two workers, a beat, and an operator with the command; the broker is Redis."""

    def __init__(self, workers: Workers, mailing: Mailing, broker_url: str) -> None:
        self._workers = workers
        self._broker = {"CELERY_BROKER_URL": broker_url}
        self.mailing = mailing
        self.started = [workers.worker(), workers.worker()]
        workers.beat()

    def send(self) -> None:
        self._done(self.mailing.send("--no-follow", **self._broker))

    def run(self, verb: str) -> None:
        options = ["--no-follow"] if verb == "resume" else []
        self._done(self.mailing.run(verb, "News", *options, **self._broker))

    def wait_over(self) -> None:
        wait_until(lambda: self.mailing.broadcast.status == "finished", 120, "the broadcast is finished")

    def answers_take(self, seconds: float) -> None:
        self.mailing.bench.emulator.sends_take(seconds)

    def statuses(self) -> Counter[str]:
        return self.mailing.bench.database.call_statuses()

    def _done(self, process: Process) -> None:
        assert process.wait() == 0, process


@pytest.fixture
def database(new_postgres: Callable[[], str]) -> Iterator[Database]:
    found = Database(new_postgres())
    yield found
    found.close()


@pytest.fixture
def post(start: Callable[..., Process], manage: Any, bench: Bench, private_redis: PrivateRedis, tmp_path: Path) -> Post:
    workers = Workers(start, bench, private_redis.url)
    return Post(workers, Mailing(bench, manage, tmp_path, PEOPLE), private_redis.url)


def test_paused_and_resumed_in_the_middle(post: Post):
    post.answers_take(1)
    post.send()
    post.mailing.wait_sent(300)
    post.answers_take(5)
    post.run("pause")
    post.answers_take(0.1)
    wait_until(lambda: not post.statuses()["sending"], 60, "what was on its way has arrived")
    assert set(post.statuses()) == {"sent", "queued"}
    post.run("resume")
    post.wait_over()
    assert post.mailing.assert_everybody_got_it_once() == {"sent": PEOPLE}
    assert post.mailing.broadcast.counts == {"sent": PEOPLE}
    output = "".join(worker.output for worker in post.started)
    assert "vkteams_bot.prepare_broadcast[" in output
    assert "Traceback" not in output


def test_a_worker_is_killed(post: Post):
    post.answers_take(1)
    post.send()
    post.mailing.wait_sent(300)
    post.answers_take(5)
    wait_until(lambda: post.statuses()["sending"] > IN_FLIGHT, 60, "both workers send")
    kill(post.started[0])
    post.answers_take(0.1)
    post.wait_over()
    statuses = post.mailing.assert_everybody_got_it_once()
    assert set(statuses) == {"sent", "unknown"}
    assert statuses["unknown"] <= IN_FLIGHT
    assert post.mailing.broadcast.counts == dict(statuses)
