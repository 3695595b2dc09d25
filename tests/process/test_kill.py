"""kill -9 at any moment loses no update, repeats no returned reply, and keeps the order."""

import random
import time

import pytest

from tests.process.bench import Bench, assert_in_order, assert_replies_are_honest
from tests.processes import Process

pytestmark = pytest.mark.process

CONVERSATIONS, EACH, KILLS = 100, 20, 10


@pytest.mark.timeout(600)
def test_two_thousand_updates_survive_ten_kills(bench: Bench, record_property):
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    people = [f"p{number}@example.com" for number in range(CONVERSATIONS)]
    bench.emulator.people(people)
    bench.emulator.sends_take(0.03)
    kinds = ("async", "def")
    texts = [(who, f"{rng.choice(kinds)} {n} {rng.uniform(0, 0.02):.3f}") for n in range(EACH) for who in people]
    bench.emulator.write(texts)
    # In one step a conversation gets one or two further: between two kills each gets on.
    step = len(texts) // (KILLS + 1)
    bots: list[Process] = []

    for kill in range(KILLS):
        bot = bench.bot(ready=False)
        bots.append(bot)
        goal = rng.randrange(step * kill, step * (kill + 1)) + 1
        bench.database.wait_done(goal, 60, bot)
        time.sleep(rng.uniform(0, 0.05))
        assert bot.returncode is None, bot
        bot.kill()
        bot.wait()
    last = bench.bot()
    bench.database.wait_done(len(texts), 60, last)
    bench.database.wait_quiet()
    last.terminate()
    assert last.wait() == 0

    assert bench.database.statuses() == {"done": len(texts)}, bots[-1]
    assert_in_order(bench.database.records(), {who: list(range(EACH)) for who in people})
    for chat_id, data in bench.database.conversations.values_list("chat_id", "data"):
        assert data == {"seen": list(range(EACH)), "count": EACH}, chat_id
    assert bench.database.conversations.count() == CONVERSATIONS
    statuses = assert_replies_are_honest(bench, people)
    assert statuses.total() == len(texts)
    assert set(statuses) <= {"sent", "unknown"}
    # A reply is unknown only when it was on its way at a kill.
    assert statuses["unknown"] <= KILLS * 100
    record_property("unknown", statuses["unknown"])
    assert bench.database.updates.filter(attempts__gt=0).exists(), "no kill hit anything"
