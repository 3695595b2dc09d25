"""botdoctor as a process: exit codes, one JSON document, beside a running bot, and Ctrl+C in the middle of a trial."""

import json
from collections.abc import Callable

import pytest

from tests.process.bench import Bench
from tests.processes import Process, free_port, wait_until

pytestmark = pytest.mark.process
GROUP = "1000@chat.agent"
WRONG = "001.5555555555.6666666666:1000000001"


Doctor = Callable[..., Process]


@pytest.fixture
def doctor(manage: Callable[..., Process], bench: Bench) -> Doctor:
    """Start botdoctor on the bench, with these arguments and variables."""

    def start(*arguments: str, **env: str) -> Process:
        return manage("botdoctor", *arguments, env={**bench.environment(), "TEST_LOG_LEVEL": "", **env})

    return start


def statuses(process: Process) -> dict[str, str]:
    return {check["name"]: check["status"] for check in json.loads(process.output)["checks"]}


def test_all_is_well(doctor: Doctor):
    process = doctor("--json")
    assert process.wait() == 0
    assert set(statuses(process).values()) <= {"ok", "skipped"}


def test_a_wrong_token_and_a_dead_server(doctor: Doctor):
    process = doctor("--json", TEST_BOT_TOKEN=WRONG)
    assert process.wait() == 1
    assert statuses(process)["token"] == "fail"
    assert WRONG not in process.output

    process = doctor(TEST_BOT_API_URL=f"http://127.0.0.1:{free_port()}/bot/v1")
    assert process.wait() == 1
    process.wait_for_line("^fail +connection ")
    process.wait_for_line("^The bot cannot run.$")


def test_a_database_that_was_not_migrated(doctor: Doctor, tmp_path):
    process = doctor("--json", TEST_DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3")
    assert process.wait() == 1
    assert statuses(process)["migrations"] == "fail"
    assert statuses(process)["updates"] == "skipped"


def test_a_running_bot_is_not_disturbed(doctor: Doctor, bench: Bench):
    bench.bot()
    process = doctor("--json")
    assert process.wait() == 0
    assert statuses(process)["updates"] == "skipped"


def test_interrupted_it_cleans_up(doctor: Doctor, bench: Bench):
    bench.emulator.faults({"kind": "latency", "seconds": 0.2, "method": "messages/*"})
    process = doctor("--json", "--chat", GROUP)
    wait_until(lambda: bench.emulator.requests("messages/sendText") > 2, 60, "the trial sends")
    process.interrupt()
    assert process.wait() == 0
    document = json.loads(process.output)
    assert [message for message in bench.emulator.said(GROUP) if not message["deleted"]] == []
    assert bench.emulator.requests("messages/deleteMessages") == 1
    assert bench.emulator.requests("chats/pinMessage") == 0
    assert "stopped" in document["methods"][-1]["detail"]
