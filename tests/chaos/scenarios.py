"""What happens to the bot. Each scenario leaves its figures in `stage.outcome`."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.databases import PostgreSQL, Sqlite
from tests.chaos.judge import judge
from tests.chaos.link import Host
from tests.chaos.people import RateWatch
from tests.chaos.stage import IN_FLIGHT, RUNS, STANDS_BY, Stage
from tests.processes import Process, wait_until
from tests.services import PrivateRedis

TAKEOVER_SECONDS = 15
BACK_TO_RUNBOT_SECONDS = 10
BOTH = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    run: Callable[[Stage], None]
    databases: tuple[str, ...] = BOTH
    short: tuple[str, ...] = ()
    """On which of them the short run has it."""
    modes: tuple[str, ...] = ("WAL, IMMEDIATE",)
    """Of SQLite."""
    needs: str = ""
    """`disk`: a small disk for the file; `host`: a network namespace."""


SCENARIOS: list[Scenario] = []


def scenario(name: str, title: str, **options: Any) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    def declare(run: Callable[[Stage], None]) -> Callable[[Stage], None]:
        SCENARIOS.append(Scenario(name, title, run, **options))
        return run

    return declare


@scenario("kill", "`runbot` killed, restarted at once", short=BOTH)
def kill(stage: Stage) -> None:
    stage.configure(LEASE_SECONDS=1)  # many kills; what the default lease costs is seen in `takeover`
    kills = stage.plan(20, 3)
    bot = stage.runbot()
    with stage.stream():
        for number in range(kills):
            stage.say(f"kill {number + 1} of {kills}")
            time.sleep(stage.rng.uniform(0.1, 1))
            at = stage.strike(bot)
            bot = stage.runbot(until=None)
            if number % 2:
                stage.recovered(at)
            else:  # the next kill meets it while it recovers
                bot.wait_for_line(RUNS)
    stage.settle(unknown_per_fault=IN_FLIGHT)


@scenario("takeover", "the polling one of two killed", short=("postgresql",))
def takeover(stage: Stage) -> None:
    if stage.short:
        stage.configure(LEASE_SECONDS=2)
    kills = stage.plan(3, 1)
    bot = stage.runbot()
    with stage.stream():
        for number in range(kills):
            stage.say(f"kill {number + 1} of {kills}")
            standby = stage.runbot(until=STANDS_BY)
            at = stage.strike(bot)
            stage.recovered(at, TAKEOVER_SECONDS, "the other takes over")
            bot = standby
    stage.settle(unknown_per_fault=IN_FLIGHT)


@scenario("pause", "the polling one of two stopped (SIGSTOP), continued later", databases=("postgresql",))
def pause(stage: Stage) -> None:
    """Not on SQLite: a process that is stopped within a transaction has the file's only lock."""
    if stage.short:
        stage.configure(LEASE_SECONDS=2)
    pauses = stage.plan(2, 1)
    bot, standby = stage.runbot(), stage.runbot(until=STANDS_BY)
    with stage.stream():
        for number in range(pauses):
            stage.say(f"pause {number + 1} of {pauses}")
            lost = _count(bot, "another process took over")
            at = stage.strike(bot, signal.SIGSTOP)
            stage.recovered(at, TAKEOVER_SECONDS, "the other takes over")
            bot.send(signal.SIGCONT)
            _wait_for_another(bot, "another process took over", lost)
            bot, standby = standby, bot
    stage.settle(unknown_per_fault=IN_FLIGHT)


@scenario("restart", "PostgreSQL restarted, its sessions terminated", databases=("postgresql",), short=("postgresql",))
def restart(stage: Stage) -> None:
    database = stage.database
    assert isinstance(database, PostgreSQL)
    rounds = stage.plan(3, 1)
    stage.runbot()
    with stage.stream():
        for number in range(rounds):
            stage.say(f"restart {number + 1} of {rounds}")
            time.sleep(stage.rng.uniform(0.5, 1.5))
            database.restart(stage.rng.uniform(0.5, 4))
            stage.outcome.faults += 1
            stage.recovered(time.monotonic())
            for _ in range(3):
                time.sleep(stage.rng.uniform(0.1, 0.5))
                at = time.monotonic()
                database.terminate_sessions()
                stage.outcome.faults += 1
            stage.recovered(at)
    stage.settle(unknown_per_fault=0)


@scenario("due", "`runbot` killed while it also delivers delayed calls and a broadcast", short=("sqlite",))
def due(stage: Stage) -> None:
    stage.configure(LEASE_SECONDS=1, CLAIM_SECONDS=stage.plan(30, 2))
    kills = stage.plan(6, 2)
    stage.messenger.sends_take(0.5)
    bot = stage.runbot()
    stage.broadcast(stage.plan(1_000, 300))
    with stage.stream(10):
        for number in range(kills):
            stage.say(f"kill {number + 1} of {kills}")
            with stage.posting(300):
                stage.until_sending()
                time.sleep(stage.rng.uniform(0, 0.3))
                at = stage.strike(bot)
                bot = stage.runbot(until=None)
                stage.recovered(at)
    stage.settle(unknown_per_fault=2 * IN_FLIGHT)


@scenario("workers", "two Celery workers killed in turn, the broker twice")
def workers(stage: Stage) -> None:
    crew = Crew(stage)
    stage.configure(CLAIM_SECONDS=stage.plan(30, 2))
    kills = stage.plan(6, 2)
    stage.messenger.sends_take(0.5)
    stage.runbot()
    crew.hire(2)
    stage.broadcast(stage.plan(1_000, 300))
    with stage.stream(10):
        for number in range(kills):
            stage.say(f"kill {number + 1} of {kills}")
            with stage.posting(400):
                stage.until_sending()
                time.sleep(stage.rng.uniform(0, 0.3))
                crew.strike(number % 2)
            if number in (kills // 3, 2 * kills // 3):
                crew.restart_broker()
        stage.say("the last worker goes")
        at = crew.strike_all()
        # To somebody new: what follows a message that was on its way waits until its claim ends.
        with stage.posting(1, chats=1, name="last"):
            wait_until(lambda: stage.messenger.said("last0@example.com") != [], 60, "runbot delivers")
        seconds = time.monotonic() - at
        stage.outcome.seconds.append(seconds)
        stage.promise(seconds <= BACK_TO_RUNBOT_SECONDS, f"runbot took the work back after {seconds:.1f} s")
    # Each worker has two processes.
    stage.settle(unknown_per_fault=2 * IN_FLIGHT)


@scenario("limit", "the same under one rate limit, counted in Redis", databases=("postgresql",))
def limit(stage: Stage) -> None:
    rate, burst = 80, 20
    stage.configure({"RATE_LIMIT": rate, "BURST": burst})
    crew = Crew(stage)
    kills = stage.plan(3, 2)
    stage.messenger.sends_take(0.3)
    stage.runbot()
    crew.hire(2)
    with RateWatch(stage.messenger) as watch:
        stage.broadcast(stage.plan(900, 300))
        with stage.stream(10):
            for number in range(kills):
                stage.say(f"kill {number + 1} of {kills}")
                with stage.posting(100):
                    stage.until_sending(5)
                    time.sleep(stage.rng.uniform(0, 0.3))
                    crew.strike(number % 2)
        stage.settle(unknown_per_fault=2 * IN_FLIGHT)
    fastest = watch.fastest(burst)
    stage.promise(fastest <= 1.1 * rate, f"{fastest:.0f} requests per second, {rate} are allowed")
    stage.outcome.notes.append(f"at most {fastest:.0f} of {rate} requests/s")


@scenario("deploy", "old code beside new over one migration", short=("sqlite",))
def deploy(stage: Stage) -> None:
    new_code = {"CHAOS_NEXT_VERSION": "1"}
    if stage.short:
        stage.configure(LEASE_SECONDS=2)
    old = stage.runbot()
    with stage.stream():
        time.sleep(2)
        stage.say("migrates under the old code")
        stage.done("migrate", "-v0", env=new_code)
        stage.outcome.faults += 1
        stage.recovered(time.monotonic(), what="the old code goes on")
        new = stage.runbot(until=STANDS_BY, env=new_code)

        stage.say("the old one stops in order, the new one takes over")
        at = stage.strike(old, signal.SIGTERM)
        stage.promise(old.wait() == 0, f"it ended with {old.returncode}")
        stage.recovered(at, TAKEOVER_SECONDS, "the new code takes over")

        stage.say("back to the old one")
        old = stage.runbot(until=STANDS_BY)
        at = stage.strike(new)
        stage.recovered(at, TAKEOVER_SECONDS, "the old code takes over from a killed one")

        new = stage.runbot(until=STANDS_BY, env=new_code)
        at = stage.strike(old)
        stage.recovered(at, TAKEOVER_SECONDS, "the new code takes over from a killed one")
    stage.settle(unknown_per_fault=IN_FLIGHT)
    written = dict(stage.database.query("SELECT campaign, count(*) FROM vkteams_bot_outgoingcall GROUP BY campaign"))
    stage.promise(set(written) == {None, "new"}, f"both versions should have written: {written}")


@scenario(
    "locked",
    "the file locked by another process for 20 s",
    databases=("sqlite",),
    modes=("WAL, IMMEDIATE", "WAL, DEFERRED", "as startproject"),
    short=("WAL, DEFERRED",),
)
def locked(stage: Stage) -> None:
    database = stage.database
    assert isinstance(database, Sqlite)
    stage.runbot()
    with stage.stream():
        time.sleep(1)
        stage.say("locked")
        stage.outcome.faults += 1
        database.lock(stage.plan(20, 8))
        stage.recovered(time.monotonic())
    stage.settle(unknown_per_fault=0)


@scenario(
    "full",
    "its disk full for 10 s",
    databases=("sqlite",),
    modes=("WAL, IMMEDIATE", "WAL, DEFERRED", "as startproject"),
    short=("WAL, IMMEDIATE",),
    needs="disk",
)
def full(stage: Stage) -> None:
    assert stage.disk is not None
    bot = stage.runbot()
    with stage.stream():
        time.sleep(1)
        stage.say("full")
        stage.outcome.faults += 1
        ends = time.monotonic() + stage.plan(10, 5)
        while time.monotonic() < ends:
            stage.disk.fill()
            time.sleep(0.1)
        stage.disk.empty()
        stage.recovered(time.monotonic())
    stage.settle(unknown_per_fault=0)
    stage.promise("the database is away" in bot.output, "the log does not tell of it")


@scenario(
    "replaced",
    "the file moved away, a copy put in its place",
    databases=("sqlite",),
    modes=("WAL, IMMEDIATE", "as startproject"),
)
def replaced(stage: Stage) -> None:
    """What is promised: that the log tells of it, and that nothing goes on into the file that was moved away."""
    database = stage.database
    assert isinstance(database, Sqlite)
    bot = stage.runbot()
    with stage.stream():
        time.sleep(2)
    stage.wait_until_quiet()
    stage.say("replaced")
    stage.outcome.faults += 1
    database.replace()
    at = time.monotonic()
    time.sleep(5)
    ended = bot.returncode is not None
    if ended:  # in WAL mode only the bot notices, and ends
        bot = stage.runbot()
    stage.recovered(at)
    with stage.stream():
        time.sleep(5)
    wait_until(stage.messenger.acknowledged, 60, "the bot has taken what was written")
    time.sleep(1)
    told = ended or "the database is away" in bot.output
    stage.say("the bot is killed and started anew")
    bot.kill()
    bot.wait()
    stage.runbot()
    stage.messenger.until_answered(time.monotonic())
    stage.wait_until_idle()
    tally = stage.outcome.tally = judge(database, stage.messenger)
    if not told or tally.lost or tally.doubled or tally.disordered:
        missing = tally.lost = stage.messenger.count() - database.updates().total()
        log = "the log tells of it" if told else "the log is silent"
        stage.outcome.unpromised.append(f"{log}; {missing} updates stand in the file that was moved away")


@scenario(
    "cut", "the link of the polling one's host cut", databases=("postgresql",), short=("postgresql",), needs="host"
)
def cut(stage: Stage) -> None:
    database, host = stage.database, stage.host
    assert isinstance(database, PostgreSQL)
    assert host is not None
    if stage.short:
        stage.configure(LEASE_SECONDS=2)
    cuts = stage.plan(3, 1)
    here = stage.runbot()
    there = _start_there(stage, database, host)
    with stage.stream():
        for number in range(cuts):
            stage.say(f"cut {number + 1} of {cuts}")
            here.terminate()
            stage.promise(here.wait() == 0, f"it ended with {here.returncode}")
            stage.messenger.until_answered(time.monotonic(), what="the one behind the link works")
            here = stage.runbot(until=STANDS_BY)
            lost = _count(there, "another process took over")
            at = time.monotonic()
            host.cut()
            stage.outcome.faults += 1
            stage.recovered(at, TAKEOVER_SECONDS, "the other takes over")
            time.sleep(stage.plan(5, 1))
            host.mend()
            _wait_for_another(there, "another process took over", lost)
    stage.settle(unknown_per_fault=IN_FLIGHT)


def _start_there(stage: Stage, database: PostgreSQL, host: Host) -> Process:
    env = {
        "CHAOS_DATABASE": json.dumps(database.settings_at(host.here)),
        "CHAOS_API_URL": stage.api_url(host.here),
    }
    return stage.runbot(until=STANDS_BY, env=env, prefix=host.prefix)


class Crew:
    """Celery workers on Redis, and the supervisor that starts again what ended."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._redis = PrivateRedis()
        stage.stack.callback(self._redis.close)
        stage.env["CHAOS_REDIS"] = self._redis.url
        self._workers: list[Process] = []

    def hire(self, count: int) -> None:
        self._workers = [self._worker() for _ in range(count)]
        for worker in self._workers:
            worker.wait_for_line(r"ready\.$")
        self._beat = self._celery("beat", "-s", str(self._stage.scratch / "beat"))

    def strike(self, index: int) -> None:
        self._stage.strike(self._workers[index])
        self._workers[index] = self._worker()
        self._workers[index].wait_for_line(r"ready\.$")

    def strike_all(self) -> float:
        self._beat.kill()
        return [self._stage.strike(worker) for worker in self._workers][-1]

    def restart_broker(self) -> None:
        self._stage.outcome.faults += 1
        self._redis.stop()
        time.sleep(1)
        self._redis.start()
        time.sleep(1)
        self._workers = [worker if worker.returncode is None else self._worker() for worker in self._workers]

    def _worker(self) -> Process:
        queues = ("-Q", "celery,vkteams.reply,vkteams.bulk")
        return self._celery("worker", "-P", "prefork", "-c", "2", *queues, "-l", "INFO")

    def _celery(self, *arguments: str) -> Process:
        return self._stage.start(sys.executable, "-m", "celery", "-A", "mysite", *arguments)


def _count(process: Process, text: str) -> int:
    return process.output.count(text)


def _wait_for_another(process: Process, text: str, before: int) -> None:
    wait_until(lambda: _count(process, text) > before, 90, f"another line with {text!r}")
