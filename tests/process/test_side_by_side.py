"""Conversations run side by side, at most CONCURRENCY of them, in several threads."""

import pytest

from tests.process.bench import Bench

pytestmark = pytest.mark.process

OTHERS = [f"p{number}@example.com" for number in range(50)]


@pytest.mark.parametrize(
    ("database", "kind"), [("sqlite", "async"), ("sqlite", "def"), ("postgres", "def")], indirect=["database"]
)
def test_a_slow_conversation_delays_no_other(bench: Bench, kind: str):
    bench.emulator.people(["slow@example.com", *OTHERS])
    bench.bot()
    # Warm: threads, connections and caches are no part of what is measured.
    bench.emulator.write([(who, f"{kind} 0") for who in OTHERS])
    bench.database.wait_done(50)

    slow = [("slow@example.com", f"{kind}-hold {n}") for n in range(1, 3)]
    bench.emulator.write([*slow, *((who, f"{kind} 1 0.01") for who in OTHERS)])
    bench.database.wait_done(100)

    assert not bench.database.updates.filter(chat_id="slow@example.com", status="done").exists()
    (bench.flags / "go").touch()
    bench.database.wait_done(102)
    numbers = [number for who, number in bench.database.records() if who == "slow@example.com"]
    assert numbers == [1, 2]
    if kind == "def":
        threads = {thread for (thread,) in bench.database.records("thread")}
        assert len(threads) > 1, threads


def test_concurrency_is_bounded(bench: Bench):
    bench.emulator.people(OTHERS)
    bench.emulator.write([(who, "async 0 0.05") for who in OTHERS])
    bench.bot(CONCURRENCY=7)
    bench.database.wait_done(50)

    running = [count for (count,) in bench.database.records("running")]
    assert max(running) == 7
