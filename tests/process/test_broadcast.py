"""`manage.py broadcast … --local`: killed, interrupted and started again, nobody gets a message twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.process.bench import Bench
from tests.processes import Process, wait_until
from vkteams_bot.models import Broadcast

pytestmark = pytest.mark.process

MANY, SOME = 2_000, 400
IN_FLIGHT = 100


class Mailing:
    """A list of people, and the command on it."""

    def __init__(self, bench: Bench, manage: Any, directory: Path, size: int) -> None:
        self.bench = bench
        self._manage = manage
        self.people = [f"p{number}@corp.example" for number in range(size)]
        self.list = directory / "people.csv"
        self.list.write_text("chat_id;number\n" + "".join(f"{who};{who[1:-13]}\n" for who in self.people))
        bench.emulator.people(self.people)
        bench.emulator.faults({"kind": "latency", "method": "messages/sendText", "seconds": 0.1})

    def run(self, *words: str, **env: str) -> Process:
        shown = {"TESTBOT_CLAIM_SECONDS": "1.5", "TEST_LOG_LEVEL": "WARNING", "TEST_MEDIA_ROOT": str(self.list.parent)}
        process: Process = self._manage("broadcast", *words, env={**self.bench.environment(), **shown, **env})
        return process

    def send(self) -> Process:
        text = ("--text", "Number {{ number }}", "--template", "--list", str(self.list), "--name", "News")
        return self.run("send", *text, "--local")

    def wait_sent(self, count: int, process: Process) -> None:
        def ready() -> bool:
            assert process.returncode is None, process
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


@pytest.fixture
def mailing(bench: Bench, manage: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Mailing:
    return Mailing(bench, manage, tmp_path, getattr(request, "param", SOME))


@pytest.mark.parametrize("mailing", [MANY], indirect=True)
def test_killed_in_the_middle_and_started_again(mailing):
    first = mailing.send()
    mailing.wait_sent(500, first)
    first.kill()
    first.wait()
    assert mailing.broadcast.status == "running"

    second = mailing.run("start", "News", "--local")
    assert second.wait(60) == 0, second
    statuses = mailing.assert_everybody_got_it_once()
    assert set(statuses) <= {"sent", "unknown"}
    assert 0 < statuses["unknown"] <= IN_FLIGHT
    broadcast = mailing.broadcast
    assert (broadcast.status, broadcast.total, broadcast.counts) == ("finished", MANY, dict(statuses))
    assert f"finished: {statuses['sent']} of {MANY} sent, {statuses['unknown']} unknown" in second.output


def test_ctrl_c_pauses_and_says_how_to_go_on(mailing):
    first = mailing.send()
    mailing.wait_sent(SOME // 4, first)
    first.interrupt()
    assert first.wait() == 130, first
    assert f"to go on: manage.py broadcast resume {mailing.broadcast.pk} --local" in first.output
    assert mailing.broadcast.status == "paused"
    assert not set(mailing.bench.database.call_statuses()) & {"sending", "unknown"}

    second = mailing.run("resume", str(mailing.broadcast.pk), "--local")
    assert second.wait(60) == 0, second
    assert mailing.assert_everybody_got_it_once() == {"sent": SOME}


def test_killed_while_it_is_prepared(mailing):
    first = mailing.run("create", "--text", "Number {{ number }}", "--template", "--list", str(mailing.list))
    assert first.wait() == 0, first
    key = str(mailing.broadcast.pk)
    second = mailing.run("start", key, "--local", TESTBOT_DIES_AFTER_CHUNKS="2")
    assert second.wait() < 0, second
    assert mailing.broadcast.status == "preparing"
    assert 0 < mailing.bench.database.calls.count() < SOME
    third = mailing.run("start", key, "--local")
    assert third.wait(60) == 0, third
    assert mailing.assert_everybody_got_it_once() == {"sent": SOME}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mailing", [50], indirect=True)
def test_a_file_is_uploaded_with_the_first_message_only(mailing, tmp_path):
    file = tmp_path / "Price.txt"
    file.write_text("1 rouble")
    sent = mailing.run("send", "--file", str(file), "--list", str(mailing.list), "--local")
    assert sent.wait(60) == 0, sent
    file_ids = {
        message["parts"][0]["payload"]["fileId"]
        for who in mailing.people
        for message in mailing.bench.emulator.said(who)
    }
    assert mailing.broadcast.counts == {"sent": 50}
    assert file_ids == {mailing.broadcast.file_id}
