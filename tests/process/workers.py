"""Celery workers as processes, for the tests of delayed calls and of broadcasts."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable

from tests.process.bench import Bench
from tests.processes import Process, wait_until

CALLS = int(os.environ.get("TEST_CALLS", "2000"))
"""TEST_CALLS=5000 for the whole proof."""
OFFLINE = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class Workers:
    """Starts workers and posts calls, on one broker, database and emulator."""

    def __init__(self, start: Callable[..., Process], bench: Bench, broker_url: str) -> None:
        self._start = start
        self.bench = bench
        self.env = bench.environment() | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_BROKER_URL": broker_url,
            "TESTBOT_CLAIM_SECONDS": "2",
        }

    def worker(self, *options: str, pool: str = "prefork", slots: int = 2, ready: bool = True) -> Process:
        process = self._start(
            *(sys.executable, "-m", "celery", "-A", "tests.testbot.worker", "worker", "-P", pool, "-c", str(slots)),
            *("-Q", "vkteams.reply,vkteams.bulk", "-l", "INFO", *OFFLINE, *options),
            env=self.env,
        )
        if ready:
            process.wait_for_line(r"ready\.$")
        return process

    def beat(self) -> Process:
        schedule = self.bench.flags / "beat"
        return self._start(
            *(sys.executable, "-m", "celery", "-A", "tests.testbot.worker", "beat", "-s", os.fspath(schedule)),
            env=self.env,
        )

    def post(self, count: int = CALLS, *options: str) -> None:
        process = self._start(sys.executable, "manage.py", "post", str(count), *options, env=self.env)
        assert process.wait() == 0, process

    def wait_settled(self, count: int = CALLS, timeout: float = 120) -> Counter[str]:
        def settled() -> bool:
            statuses = self.bench.database.call_statuses()
            return statuses.total() == count and not (statuses["queued"] or statuses["sending"])

        try:
            wait_until(settled, timeout, f"{count} calls are settled")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.bench.database.call_statuses()}") from None
        return self.bench.database.call_statuses()


def kill(process: Process) -> None:
    """The worker and its children, as when the machine goes."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
