"""A bot with nothing to do costs next to nothing."""

import os
import time
from pathlib import Path

import pytest

from tests.process.bench import Bench
from tests.processes import Process

pytestmark = pytest.mark.process

SECONDS = 6.0


def cpu_seconds(bot: Process) -> float:
    fields = Path(f"/proc/{bot.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_idle_bot_rests(bench: Bench, tmp_path: Path):
    statements = tmp_path / "statements"
    true_lease = {"TESTBOT_LEASE_SECONDS": ""}
    bench.emulator.people(["a@example.com"])
    holder = bench.bot(env={"TESTBOT_STATEMENTS": os.fspath(statements), **true_lease})
    bench.emulator.write([("a@example.com", "async 1")])
    bench.database.wait_calls(1)
    standby = bench.bot(ready=False, env=true_lease)
    standby.wait_for_line("standing by")
    assert statements.stat().st_size > 10, "statements are counted"

    written, polls = statements.stat().st_size, bench.emulator.requests("events/get")
    busy = {bot: cpu_seconds(bot) for bot in (holder, standby)}
    time.sleep(SECONDS)

    per_minute = (statements.stat().st_size - written) * 60 / SECONDS
    assert per_minute <= 240, "two reads a second, and the lease"
    assert bench.emulator.requests("events/get") - polls <= 1
    for bot, before in busy.items():
        assert cpu_seconds(bot) - before < 0.05 * SECONDS, "less than 5 % of a core"
