"""Who is blamed for the death of a process: what kills it each time, and nobody else."""

import random
import signal
from collections.abc import Callable
from functools import partial

import pytest

from tests.process.bench import TOKEN, Bench, Emulator, assert_in_order, assert_replies_are_honest
from tests.processes import Process, wait_until

pytestmark = pytest.mark.process

KILLER = "killer@example.com"
SECOND = "001.1111111111.2222222222:1000000002"
BOTH = {"default": TOKEN, "second": SECOND}
MOST_STARTS = 8


class Crew:
    """Runbots of one bot: one works, the others stand by, and a new one comes for each that is killed."""

    def __init__(self, bench: Bench, size: int) -> None:
        self.bench = bench
        self.bots = [bench.bot(ready=False) for _ in range(size)]
        self.kills = 0

    def holder(self) -> Process | None:
        owner: str = self.bench.database.accounts.values_list("lease_owner", flat=True).first() or ""
        return next((bot for bot in self.bots if f":{bot.pid}:" in owner), None)

    def wait_for_holder(self, begun: int = 1) -> Process:
        """The process that works, once so many of its handlers have begun."""
        found: list[Process] = []

        def works() -> bool:
            bot = self.holder()
            if bot is not None and self.bench.database.records("pid").count((bot.pid,)) >= begun:
                found.append(bot)
            return bool(found)

        wait_until(works, 60, "a process works")
        return found[0]

    def kill(self, bot: Process) -> None:
        bot.kill()
        bot.wait()
        self.bots.remove(bot)
        self.bots.append(self.bench.bot(ready=False))
        self.kills += 1


def test_what_kills_its_process_each_time_is_given_up_and_all_others_are_answered(bench: Bench):
    innocent = [f"p{number}@example.com" for number in range(10)]
    bench.emulator.people([KILLER, *innocent])
    numbers = dict.fromkeys(innocent, 0)

    def write() -> None:
        for who in innocent:
            numbers[who] += 2
        texts = [(who, f"async {number - back} 0.1") for who, number in numbers.items() for back in (2, 1)]
        bench.emulator.write(texts)

    write()
    bench.emulator.write([(KILLER, "die 1 0.15"), (KILLER, "async 2")])

    def has_died_or_given_up(bot: Process) -> bool:
        return bot.returncode is not None or bench.database.updates.failed().exists()

    starts = 0
    while starts < MOST_STARTS:
        bot = bench.bot(ready=False)
        starts += 1
        wait_until(partial(has_died_or_given_up, bot), 60, "it dies or gives up")
        if bot.returncode is None:
            break
        assert bot.returncode == 9, bot
        write()
    bench.database.wait_quiet()

    found = bench.database.updates.get(status="failed")
    assert found.chat_id == KILLER
    assert (
        found.error == "The process died twice while this update alone was running. Retry it when the cause is found."
    )
    assert (found.attempts, starts) == (5, 6)
    total = sum(numbers.values()) + 1
    assert bench.database.statuses() == {"failed": 1, "done": total}
    assert_in_order(
        [row for row in bench.database.records() if row[0] != KILLER],
        {who: list(range(number)) for who, number in numbers.items()},
    )
    statuses = assert_replies_are_honest(bench, [KILLER, *innocent])
    assert statuses.total() == total
    assert set(statuses) <= {"sent", "unknown"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_kills_the_process_is_not_blamed_on_another_bot_in_it(bench: Bench, emulate: Callable[..., Emulator]):
    emulator = emulate(tokens=[TOKEN, SECOND])
    emulator.people([KILLER, "slow@example.com"])
    bench.emulator = emulator
    emulator.write([(KILLER, "die 1 0.4")])
    emulator.write([("slow@example.com", "async 1 4")], token=SECOND)
    bots = {name: {"TOKEN": token, "API_URL": emulator.api_url} for name, token in BOTH.items()}

    crashes = 0
    while crashes < 5:
        bot = bench.bot(ready=False, BOTS=bots)
        assert bot.wait() == 9, bot
        crashes += 1
        if crashes < 4:
            assert not bench.database.updates.filter(status="done").exists(), "it was running in three crashes"
    bench.bot(ready=False, BOTS=bots)
    bench.database.wait_quiet()

    assert dict(bench.database.updates.values_list("chat_id", "status")) == {
        KILLER: "failed",
        "slow@example.com": "done",
    }


def test_kills_from_outside_convict_nobody(bench: Bench):
    """Each was running in three of them, then each was hit while it ran alone; and they go on."""
    people = [f"p{number}@example.com" for number in range(5)]
    bench.emulator.people(people)
    bench.emulator.write([(who, "async-hold 0") for who in people])
    crew = Crew(bench, 3)
    updates = bench.database.updates

    for _ in range(3):
        crew.kill(crew.wait_for_holder(begun=len(people)))
    for _ in people:
        crew.kill(crew.wait_for_holder())
    assert not updates.failed().exists()
    (bench.flags / "go").touch()
    bench.database.wait_done(len(people))

    written = 1
    rng = random.Random(7)
    for _ in range(5):
        bench.emulator.write([(who, f"async {written + more} 0.05") for more in range(4) for who in people])
        written += 4
        bench.database.wait_done(len(people) * (written - 3) - rng.randrange(len(people)))
        # Twice alone is what convicts: once more while they run alone would be right to.
        wait_until(lambda: not updates.waiting().filter(attempts__gte=3).exists(), 60, "the suspects had their turn")
        crew.kill(crew.wait_for_holder())
    bench.database.wait_done(len(people) * written)
    bench.database.wait_quiet()

    assert crew.kills == 3 + len(people) + 5
    assert bench.database.statuses() == {"done": len(people) * written}
    assert_in_order(bench.database.records(), {who: list(range(written)) for who in people})
    statuses = assert_replies_are_honest(bench, people)
    assert statuses.total() == len(people) * written
    assert set(statuses) <= {"sent", "unknown"}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # SQLite: who is stopped as it writes stops the other
def test_a_process_that_was_paused_counts_as_no_crash(bench: Bench):
    people = [f"p{number}@example.com" for number in range(10)]
    bench.emulator.people(people)
    crew = Crew(bench, 2)

    def has_noticed(bot: Process, times: int) -> bool:
        return bot.output.count("another process took over") >= times

    rounds, each = 3, 6
    paused_how_often = dict.fromkeys(crew.bots, 0)
    for turn in range(rounds):
        bench.emulator.write([(who, f"async {turn * each + n} 0.15") for n in range(each) for who in people])
        bench.database.wait_done(len(people) * turn * each + 15)
        bot = crew.holder()
        assert bot is not None
        bot.send(signal.SIGSTOP)
        bench.database.wait_done(len(people) * (turn + 1) * each)
        if turn == 0:
            assert bench.database.updates.filter(attempts=1).exists(), "who took over cannot know"
        bot.send(signal.SIGCONT)
        paused_how_often[bot] += 1
        wait_until(partial(has_noticed, bot, paused_how_often[bot]), 60, "it notices")
        wait_until(lambda: not bench.database.updates.exclude(crashed_in="").exists(), 60, "the crash is taken back")
    bench.database.wait_quiet()

    assert bench.database.statuses() == {"done": len(people) * each * rounds}
    assert not bench.database.updates.filter(attempts__gt=0).exists()
    statuses = assert_replies_are_honest(bench, people)
    assert statuses.total() == len(people) * each * rounds
    assert set(statuses) <= {"sent", "unknown"}
    for chat_id, data in bench.database.conversations.values_list("chat_id", "data"):
        assert data["seen"] == list(range(rounds * each)), chat_id
