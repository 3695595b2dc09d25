"""A server that was reset or moved gives out small event ids again: the bot hears it, and handles nothing twice."""

import time
from collections.abc import Callable

import pytest

from tests.process.bench import Bench, Emulator, assert_replies_are_honest

pytestmark = pytest.mark.process

PEOPLE = [f"p{number}@example.com" for number in range(10)]
ANEW = "has begun to number its events anew"


def replies(bench: Bench, who: str) -> list[str]:
    return [message["text"] for message in bench.emulator.said(who)]


def write(bench: Bench, *numbers: int) -> None:
    bench.emulator.write([(who, f"async {number}") for number in numbers for who in PEOPLE])


def replace_server(bench: Bench, emulate: Callable[..., Emulator]) -> None:
    """By one that knows nothing of before, and whose events begin at 1."""
    bench.emulator.kill()
    bench.emulator = emulate(port=bench.emulator.port, first_event_id=1)
    bench.emulator.people(PEOPLE)


def test_a_running_bot_hears_a_server_that_begins_at_1(bench: Bench, emulate: Callable[..., Emulator]):
    bench.emulator.people(PEOPLE)
    bot = bench.bot()
    write(bench, 1)
    bench.database.wait_done(10, bot=bot)
    bench.database.wait_quiet()

    replace_server(bench, emulate)
    write(bench, 2, 3, 4)

    bench.database.wait_done(40, bot=bot)
    bench.database.wait_quiet()
    bot.wait_for_line(f"WARNING.*{ANEW}")
    assert all(replies(bench, who) == ["reply 2 2", "reply 3 3", "reply 4 4"] for who in PEOPLE)
    account = bench.database.accounts.get()
    assert (account.epoch, account.last_event_id) == (1, 30)
    assert bench.database.statuses() == {"done": 40}


def test_also_after_a_kill_before_and_one_between(bench: Bench, emulate: Callable[..., Emulator]):
    bench.emulator.people(PEOPLE)
    bot = bench.bot()
    write(bench, 1)
    bench.database.wait_done(10, bot=bot)
    bench.database.wait_quiet()
    bot.kill()
    bot.wait()
    replace_server(bench, emulate)
    bench.emulator.sends_take(0.05)
    write(bench, 2, 3, 4)

    second = bench.bot()
    bench.database.wait_done(12, bot=second)
    second.kill()
    second.wait()
    third = bench.bot()

    bench.database.wait_done(40, bot=third)
    bench.database.wait_quiet()
    assert ANEW in second.output
    assert ANEW not in third.output, "its beginning was stored with its first events"
    assert bench.database.statuses() == {"done": 40}
    assert bench.database.accounts.get().epoch == 1
    for data in bench.database.conversations.values_list("data", flat=True):
        assert data == {"seen": [1, 2, 3, 4], "count": 4}
    for who in PEOPLE:
        said = replies(bench, who)
        assert len(set(said)) == len(said), "none twice"
    statuses = bench.database.call_statuses()
    assert set(statuses) <= {"sent", "unknown"}
    assert statuses.total() == 40


def test_a_server_that_shows_handled_events_again(bench: Bench):
    """After each start all that there ever was, also what is pruned by now."""
    bench.emulator.post("behaviour", {"zero_returns": "kept", "acknowledge": "stateless"})
    bench.emulator.people(PEOPLE)
    bots = [bench.bot()]
    for number in (1, 2, 3):
        earlier = bench.database.accounts.get().last_event_id
        write(bench, number)
        bench.database.wait_calls(10 * number)
        bench.database.wait_quiet()
        bots[-1].kill()
        bots[-1].wait()
        bench.database.updates.filter(event_id__lte=earlier).delete()
        time.sleep(1.1)  # messages tell the second in which they were written
        bots.append(bench.bot())
    bench.emulator.write([(PEOPLE[0], "async 4")])
    bench.database.wait_calls(31)
    bench.database.wait_quiet()

    assert not any(ANEW in bot.output for bot in bots)
    assert bench.database.accounts.get().epoch == 0
    assert [replies(bench, who) for who in PEOPLE[1:]] == [["reply 1 1", "reply 2 2", "reply 3 3"]] * 9
    assert assert_replies_are_honest(bench, PEOPLE) == {"sent": 31}


def test_reset_offset(bench: Bench):
    bench.emulator.post("behaviour", {"zero_returns": "kept"})
    bench.emulator.people(PEOPLE)
    bot = bench.bot()
    write(bench, 1)
    bench.database.wait_done(10, bot=bot)
    bench.database.wait_quiet()
    bot.terminate()
    assert bot.wait() == 0
    offset = bench.database.accounts.get().last_event_id

    bot = bench.bot("--reset-offset")
    bot.wait_for_line(f"the offset was {offset} and is 0 now")
    write(bench, 2)

    bench.database.wait_done(20, bot=bot)
    bench.database.wait_quiet()
    assert bench.database.accounts.get().epoch == 1
    assert bench.database.statuses() == {"done": 20}
    assert all(replies(bench, who) == ["reply 1 1", "reply 2 2"] for who in PEOPLE)
