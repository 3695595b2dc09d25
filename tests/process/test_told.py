"""Whenever a bot that should answer does not, it says why: the table of docs/conditions.md, walked line by line."""

import importlib
import json
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests.process.bench import TOKEN, Bench, Database
from tests.processes import ROOT, Process, wait_until
from vkteams_bot.stores.conditions import CONDITIONS, report_of

pytestmark = pytest.mark.process

WITHIN = 10.0
SLACK = 10.0
"""A loaded machine is late; alone it is well under `WITHIN`."""
Manage = Callable[..., Process]

HELD = {"handler_slow", "slots_full", "lanes_full", "conversation_behind"}


def people(count: int) -> list[str]:
    return [f"p{number}@example.com" for number in range(count)]


def assert_told(bench: Bench, bot: Process, *keys: str, over: bool = False) -> None:
    """A line in the log, and a row that others read; once it is over, neither."""
    for key in keys:
        text = " is over after" if over else ": "
        bot.wait_for_line(rf"bot default: {key}{text}", timeout=WITHIN + SLACK)
    wait_until(lambda: set(keys).isdisjoint(stored(bench.database)) is over, 10, f"{keys} in the row")


def stored(database: Database) -> set[str]:
    return {condition.key for condition in report_of(database.accounts.get()).conditions}


WALKED = {
    "poll_failed": "test_told.test_a_server_that_does_not_answer_or_holds_back",
    "store_failed": "test_told.test_events_that_a_lock_keeps_out",
    "loop_blocked": "test_told.test_a_handler_that_blocks_the_loop",
    **dict.fromkeys(HELD, "test_told.test_handlers_that_hold_everything"),
    "threads_full": "test_told.test_all_threads_are_taken",
    "suspects_alone": "test_never_deaf.test_suspects_that_hang_alone_do_not_keep_a_start_from_serving_others",
    "connection_refused": "test_told.test_handlers_that_get_no_connection_wait_and_none_fails",
    "replies_repeated": "test_told.test_a_server_that_does_not_answer_or_holds_back",
    "rate_limited": "test_told.test_a_server_that_does_not_answer_or_holds_back",
    "standing_by": "test_takeover.test_the_other_takes_over_from_a_killed_one",
    "server_away": "test_server_faults.test_the_api_is_down_at_the_start",
    "database_away": "test_outage.test_an_outage_while_updates_flow",
    "database_slow": "test_stalled.test_it_is_told_and_when_it_is_back_nothing_is_lost_or_doubled",
    "events_reset": "test_event_ids.test_a_running_bot_hears_a_server_that_begins_at_1",
    "lease_lost": "test_takeover.test_one_that_was_asleep_does_nothing_once_it_was_replaced",
    "died": "test_start.test_a_database_without_tables_is_told_in_one_line",
}
"""Key of the table -> the test that provokes it and waits for its line."""


def test_the_table_is_walked_line_by_line():
    text = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(WALKED)
    assert set(CONDITIONS) <= set(WALKED)
    for place in WALKED.values():
        module, _, name = place.partition(".")
        assert callable(getattr(importlib.import_module(f"tests.process.{module}"), name)), place


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_handlers_that_hold_everything(bench: Bench, manage: Manage):
    crowd = people(7)
    bench.emulator.people(crowd)
    bot = bench.bot(CONCURRENCY=1)
    bench.emulator.write([(who, f"async-hold {n}") for who in crowd for n in range(25)])

    assert_told(bench, bot, *sorted(HELD))

    with manage("botdoctor", "--json", env=bench.environment(CONCURRENCY=1)) as doctor:
        doctor.wait(60)
        [polling] = [line for line in json.loads(doctor.output)["checks"] if line["name"] == "polling"]
    assert polling["status"] == "warn"
    for key in HELD:
        assert key in polling["detail"]
    assert "tests.testbot.bot:held_in_the_loop" in polling["detail"]
    busy = report_of(bench.database.accounts.get()).busy
    assert [(item.handler, item.chat_id) for item in busy] == [("tests.testbot.bot:held_in_the_loop", crowd[0])]

    (bench.flags / "go").touch()
    bench.database.wait_done(len(crowd) * 25, bot=bot)
    assert_told(bench, bot, *sorted(HELD), over=True)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_all_threads_are_taken(bench: Bench):
    crowd = people(34)
    bench.emulator.people(crowd)
    bot = bench.bot()
    bench.emulator.write([(who, "def-hold 1") for who in crowd])

    assert_told(bench, bot, "threads_full")

    (bench.flags / "go").touch()
    bench.database.wait_done(len(crowd), bot=bot)
    assert_told(bench, bot, "threads_full", over=True)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_server_that_does_not_answer_or_holds_back(bench: Bench):
    [who] = people(1)
    bench.emulator.people([who])
    own = {"TOKEN": TOKEN, "API_URL": bench.emulator.api_url, "POLL_TIME": 1, "RATE_LIMIT": 0.15, "BURST": 1}
    bot = bench.bot(BOTS={"default": own})
    bench.emulator.write([(who, "twice 1")])
    assert_told(bench, bot, "rate_limited")
    bench.database.wait_calls(2)
    assert_told(bench, bot, "rate_limited", over=True)

    bench.emulator.faults({"kind": "status", "status": 500, "method": "events/get"})
    assert_told(bench, bot, "poll_failed")
    bench.emulator.faults({"kind": "ratelimit", "method": "messages/sendText"})
    assert_told(bench, bot, "poll_failed", over=True)
    bench.emulator.write([(who, "async 9")])
    assert_told(bench, bot, "replies_repeated")
    bench.emulator.faults()
    bench.database.wait_calls(3)
    assert_told(bench, bot, "replies_repeated", over=True)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_events_that_a_lock_keeps_out(bench: Bench):
    [who] = people(1)
    bench.emulator.people([who])
    with psycopg.connect(bench.database.url, autocommit=True) as operator:
        name = sql.Identifier(operator.info.dbname)
        operator.execute(sql.SQL("ALTER DATABASE {} SET statement_timeout = '300ms'").format(name))
        bot = bench.bot()
        operator.execute("BEGIN")
        operator.execute("LOCK TABLE vkteams_bot_update IN EXCLUSIVE MODE")
        bench.emulator.write([(who, "async 1")])
        assert_told(bench, bot, "store_failed")
        operator.execute("COMMIT")
    assert_told(bench, bot, "store_failed", over=True)
    bench.database.wait_calls(1)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_handlers_that_get_no_connection_wait_and_none_fails(bench: Bench):
    crowd = people(40)
    bench.emulator.people(crowd)
    with psycopg.connect(bench.database.url, autocommit=True) as operator:
        role = f"limited_{operator.info.dbname}"
        for statement in (
            "CREATE ROLE {} LOGIN PASSWORD 'secret' CONNECTION LIMIT 5",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO {}",
            "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {}",
        ):
            operator.execute(sql.SQL(statement).format(sql.Identifier(role)))
        parts = urlsplit(bench.database.url)
        where = parts.netloc.rpartition("@")[2]
        url = urlunsplit(parts._replace(netloc=f"{role}:secret@{where}"))
        bot = bench.bot(env={"TEST_DATABASE_URL": url})

        def limit(count: int) -> None:
            text = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}").format(sql.Identifier(role), sql.Literal(count))
            operator.execute(text)

        limit(1)  # what has one keeps it
        bench.emulator.write([(who, f"{verb} 1") for who, verb in zip(crowd, ["def", "async"] * 20, strict=True)])
        assert_told(bench, bot, "connection_refused")
        assert bench.database.done() == 0
        limit(5)  # all of them have one or two, beside the bot itself
        bench.database.wait_done(40, bot=bot)
        assert_told(bench, bot, "connection_refused", over=True)
        assert bench.database.statuses() == {"done": 40}
        assert [
            attempts for (attempts,) in bench.database.query("SELECT DISTINCT attempts FROM vkteams_bot_update")
        ] == [0]
        bot.terminate()
        assert bot.wait(60) == 0
        operator.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        operator.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
def test_a_handler_that_blocks_the_loop(bench: Bench):
    """The lease is kept meanwhile: a standby takes nothing over, and nothing counts as a crash."""
    who, other = people(2)
    bench.emulator.people([who, other])
    bot = bench.bot()
    standby = bench.bot(ready=False)
    standby.wait_for_line("standing by")
    bench.emulator.write([(who, "block 1 8")])
    bench.emulator.write([(other, "async 1")])

    assert_told(bench, bot, "loop_blocked")
    bot.wait_for_line(r"the event loop has been blocked for \d+ s in tests.testbot.bot:blocks_the_loop")
    assert "time.sleep(seconds)" in bot.output, "the stack"

    bench.database.wait_done(2, bot=bot)
    assert_told(bench, bot, "loop_blocked", over=True)
    assert " runs at http" not in standby.output
    assert list(bench.database.updates.values_list("attempts", flat=True)) == [0, 0]
    assert bench.database.records("number, pid") == [(1, bot.pid)] * 2


@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
def test_a_loop_that_is_blocked_for_ever_ends_the_process_and_only_the_culprit_fails(bench: Bench):
    who, other = people(2)
    bench.emulator.people([who, other])
    bot = bench.bot(BLOCK_TIMEOUT=2)
    bench.emulator.write([(other, "async-hold 1"), (who, "block 1 600"), (who, "async 2")])
    began = time.monotonic()
    assert bot.wait(60) == 1
    assert time.monotonic() - began < 30
    assert "tests.testbot.bot:blocks_the_loop blocked the event loop" in bot.output
    (bench.flags / "go").touch()

    bot = bench.bot()
    bench.database.wait_done(2, bot=bot)
    assert bench.database.statuses() == {"done": 2, "failed": 1}
    failed = bench.database.updates.get(status="failed")
    assert "blocks_the_loop blocked the event loop for 2 s" in failed.error
    assert set(bench.database.updates.values_list("attempts", flat=True)) == {0}


@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
def test_handlers_that_hang_are_given_up_and_their_conversations_go_on(bench: Bench):
    crowd = people(40)
    bench.emulator.people(crowd)
    bot = bench.bot()
    verbs = ["hang", "def-hang"] * 20
    bench.emulator.write([(who, f"{verb} 1") for who, verb in zip(crowd, verbs, strict=True)])
    bench.emulator.write([(who, "async 2") for who in crowd])
    bench.emulator.write([(who, "def 3") for who in crowd])

    bench.database.wait_done(80, bot=bot)
    bench.database.wait_quiet()
    assert bench.database.statuses() == {"done": 80, "failed": 40}
    errors = bench.database.updates.filter(status="failed").values_list("error", flat=True)
    assert all("ran for longer than 1 s and was given up" in error for error in errors)
    bot.terminate()
    assert bot.wait(60) == 0
