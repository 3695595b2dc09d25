"""A broadcast to many people, for the tests of the command and of workers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.process.bench import Bench
from tests.processes import Process, wait_until
from vkteams_bot.models import Broadcast


class Mailing:
    """A list of people, and the command on it."""

    def __init__(self, bench: Bench, manage: Any, directory: Path, size: int) -> None:
        self.bench = bench
        self._manage = manage
        self.people = [f"p{number}@corp.example" for number in range(size)]
        self.list = directory / "people.csv"
        self.list.write_text("chat_id;number\n" + "".join(f"{who};{who[1:-13]}\n" for who in self.people))
        bench.emulator.people(self.people)
        bench.emulator.sends_take(0.1)

    def run(self, *words: str, **env: str) -> Process:
        shown = {"TESTBOT_CLAIM_SECONDS": "1.5", "TEST_LOG_LEVEL": "WARNING", "TEST_MEDIA_ROOT": str(self.list.parent)}
        process: Process = self._manage("broadcast", *words, env={**self.bench.environment(), **shown, **env})
        return process

    def send(self, *options: str, **env: str) -> Process:
        text = ("--text", "Number {{ number }}", "--template", "--list", str(self.list), "--name", "News")
        return self.run("send", *text, *options, **env)

    def wait_sent(self, count: int, process: Process | None = None) -> None:
        def ready() -> bool:
            assert process is None or process.returncode is None, process
            return self.bench.database.call_statuses()["sent"] >= count

        wait_until(ready, 60, f"{count} are sent")

    @property
    def broadcast(self) -> Broadcast:
        return Broadcast.objects.using(self.bench.database.alias).get()

    def assert_everybody_got_it_once(self) -> Counter[str]:
        """Or nobody knows whether they did."""
        statuses = self.bench.database.call_statuses()
        assert statuses.total() == len(self.people)
        rows = dict(self.bench.database.calls.values_list("chat_id", "status"))
        for who in self.people:
            said = [message["text"] for message in self.bench.emulator.said(who)]
            assert said == [f"Number {who[1:-13]}"] or (said == [] and rows[who] == "unknown"), (who, said, rows[who])
        return statuses
