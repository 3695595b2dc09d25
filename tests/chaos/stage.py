"""One scenario's stage: a project, its database, an emulator, and the processes on them; all end with it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.chaos.databases import Database
from tests.chaos.disk import Disk
from tests.chaos.judge import Tally, is_quiet, judge
from tests.chaos.link import Host
from tests.chaos.people import PROBE, TOKEN, Messenger, Stream
from tests.chaos.report import Outcome
from tests.processes import ROOT, Process, scratch_directory, wait_until

PEOPLE = [f"p{number}@example.com" for number in range(60)]
SENDS_TAKE = 0.03
RUNS = r" runs at http"
STANDS_BY = r"polled by \S+; standing by"
IN_FLIGHT = 100
"""Replies, or rows of a delivery, that one process has on its way at most."""


def write_project() -> Path:
    """The project in a temporary directory, with the next version's migrations."""
    directory = scratch_directory("vkteams-bot-chaos-")
    shutil.copytree(
        Path(__file__).parent / "project", directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    for migration in (ROOT / "vkteams_bot" / "migrations").glob("0*.py"):
        shutil.copy(migration, directory / "next_version")
    return directory


def environment(project: Path, settings: dict[str, Any], api_url: str = "http://127.0.0.1:1/bot/v1") -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))),
        "PYTHONDONTWRITEBYTECODE": "",
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "CHAOS_DATABASE": json.dumps(settings),
        "CHAOS_TOKEN": TOKEN,
        "CHAOS_API_URL": api_url,
    }


def migrate(project: Path, settings: dict[str, Any]) -> None:
    command = (sys.executable, "manage.py", "migrate", "--run-syncdb", "-v0")
    with Process(*command, env=environment(project, settings), cwd=project) as process:
        assert process.wait(120) == 0, process


class Stage:
    """`plan(long, short)` chooses; `say` shows what happens now."""

    def __init__(
        self,
        project: Path,
        database: Database,
        outcome: Outcome,
        *,
        rng: random.Random,
        short: bool,
        say: Callable[[str], None],
        disk: Disk | None = None,
        host: Host | None = None,
    ) -> None:
        self.project, self.database, self.outcome, self.rng = project, database, outcome, rng
        self.short, self.say = short, say
        self.disk, self.host = disk, host
        self.stack = ExitStack()
        self.processes: list[Process] = []
        self.others: dict[str, list[str]] = {}
        """By chat, what was delayed and broadcast."""
        self.posted = 0
        self.env = environment(project, database.settings)
        emulator_options = () if host is None else ("--host", "0.0.0.0", "--force")
        emulator = self.manage("botemulator", "--port", "0", "--quiet", "--token", TOKEN, *emulator_options)
        self.port = int(emulator.wait_for_line(r"URL: http://[^/]+:(\d+)/")[1])
        self.env["CHAOS_API_URL"] = self.api_url("127.0.0.1")
        self.messenger = Messenger(f"http://127.0.0.1:{self.port}")
        self.messenger.introduce([*PEOPLE, PROBE])
        self.messenger.sends_take(SENDS_TAKE)

    def api_url(self, host: str) -> str:
        return f"http://{host}:{self.port}/bot/v1"

    def plan(self, long: int, short: int) -> int:
        return short if self.short else long

    def configure(self, bot: dict[str, Any] | None = None, **settings: Any) -> None:
        """Keys of the bot, and of VKTEAMS_BOT, for processes that start from now on."""
        self.env |= {"CHAOS_BOT": json.dumps(bot or {}), "CHAOS_SETTINGS": json.dumps(settings)}

    def start(self, *command: str, env: dict[str, str] | None = None) -> Process:
        process = Process(*command, env=self.env | (env or {}), cwd=self.project)
        self.processes.append(process)
        self.stack.callback(process.close)
        return process

    def manage(self, *arguments: str, env: dict[str, str] | None = None, prefix: Sequence[str] = ()) -> Process:
        return self.start(*prefix, sys.executable, "manage.py", *arguments, env=env)

    def done(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        process = self.manage(*arguments, env=env)
        assert process.wait(120) == 0, process

    def runbot(
        self, *, until: str | None = RUNS, env: dict[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> Process:
        process = self.manage("runbot", env=env, prefix=prefix)
        if until is not None:
            process.wait_for_line(until)
        return process

    def stream(self, rate: float = 40) -> Stream:
        return Stream(self.messenger, PEOPLE, self.rng, rate)

    def strike(self, process: Process, signum: signal.Signals = signal.SIGKILL) -> float:
        """A fault: the process with its children. Returns when."""
        self.outcome.faults += 1
        at = time.monotonic()
        with suppress(ProcessLookupError):  # it ended by itself: a worker may, without its broker
            os.killpg(process.pid, signum)
        if signum == signal.SIGKILL:
            process.wait()
        return at

    def recovered(self, since: float, within: float | None = None, what: str = "a person is answered") -> None:
        """Measure it; `within` is what was promised."""
        seconds = self.messenger.until_answered(since, what=what)
        self.outcome.seconds.append(seconds)
        if within is not None:
            self.promise(seconds <= within, f"{what}: after {seconds:.1f} s, not within {within:g}")

    def promise(self, kept: bool, otherwise: str) -> None:
        if not kept:
            self.outcome.broken.append(otherwise)

    @contextmanager
    def posting(self, count: int, chats: int = 400, name: str = "d") -> Iterator[None]:
        """Delay so many calls, in one transaction of a process of its own, while something else happens."""
        first, self.posted = self.posted, self.posted + count
        people = [f"{name}{number}@example.com" for number in range(chats)]
        self.messenger.introduce(who for who in people if who not in self.others)
        process = self.manage(
            "shell",
            "-c",
            "from vkteams_bot import bot\n"
            f"bot.delay_many([bot.send_text(f'{name}{{i % {chats}}}@example.com', f'delayed {{i}}')"
            f" for i in range({first}, {self.posted})])",
        )
        for number in range(first, self.posted):
            self.others.setdefault(people[number % chats], []).append(f"delayed {number}")
        yield
        assert process.wait(120) == 0, process

    def broadcast(self, size: int) -> None:
        people = [f"b{number}@example.com" for number in range(size)]
        self.messenger.introduce(people)
        path = self.scratch / "people.csv"
        path.write_text("chat_id;number\n" + "".join(f"{who};{number}\n" for number, who in enumerate(people)))
        text = ("--text", "Number {{ number }}", "--template", "--list", str(path), "--name", "News")
        self.done("broadcast", "send", *text, "--no-follow")
        self.others |= {who: [f"Number {number}"] for number, who in enumerate(people)}

    @property
    def scratch(self) -> Path:
        directory = self.project / "lists"
        directory.mkdir(exist_ok=True)
        return directory

    def until_sending(self, count: int = 20, timeout: float = 60) -> None:
        """Until so many delayed calls and messages of broadcasts are on their way, so that a kill meets some."""
        claimed = "SELECT count(*) FROM vkteams_bot_outgoingcall WHERE status = 'sending' AND origin <> 'reply'"
        wait_until(lambda: self.database.query(claimed)[0][0] >= count, timeout, "calls are on their way")

    def settle(self, *, unknown_per_fault: int, timeout: float = 120) -> None:
        """Wait until nothing waits, then judge."""
        self.wait_until_quiet(timeout)
        self.judge(unknown_per_fault)

    def wait_until_quiet(self, timeout: float = 120) -> None:
        self.say("waits until nothing waits")
        calls = sum(map(len, self.others.values()))
        try:
            wait_until(lambda: is_quiet(self.database, self.messenger.count(), calls), timeout, "nothing waits")
        except AssertionError:
            statuses = f"updates {dict(self.database.updates())}, calls {dict(self.database.call_statuses())}"
            self.outcome.broken.append(f"something still waits after {timeout:g} s: {statuses}")

    def wait_until_idle(self) -> None:
        """Nothing that is stored waits; what should be stored is not asked."""
        wait_until(lambda: is_quiet(self.database, 0), 60, "what is stored is done")

    def judge(self, unknown_per_fault: int) -> None:
        tally: Tally = judge(self.database, self.messenger, self.others)
        self.outcome.tally = tally
        for count, what in (
            (tally.lost, "lost"),
            (tally.doubled, "doubled"),
            (tally.disordered, "out of order"),
            (tally.failed, "wrongly failed"),
        ):
            self.promise(not count, f"{count} {what}")
        most = unknown_per_fault * self.outcome.faults
        self.promise(tally.unknown <= most, f"{tally.unknown} unknown, more than {most}")
