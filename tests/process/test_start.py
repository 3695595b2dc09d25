"""What `runbot` does before it polls: which bots, whose token, what came before, and --reload."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import databases
from tests.process.bench import TOKEN, Bench, Database, Emulator
from tests.processes import ROOT, Process, wait_until

pytestmark = pytest.mark.process

WHO = "a@example.com"
SECOND = "001.1234567890.0987654322:1000000002"
THIRD = "001.1234567890.0987654323:1000000003"


@pytest.fixture(params=["sqlite"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """One kind is enough: nothing here depends on it."""
    found = Database(request.getfixturevalue("new_sqlite"))
    yield found
    found.close()


@pytest.fixture
def emulator(emulate: Callable[..., Emulator]) -> Emulator:
    return emulate(tokens=[TOKEN, SECOND])


def bots(bench: Bench, **tokens: str) -> dict[str, dict[str, str]]:
    return {alias: {"TOKEN": token, "API_URL": bench.emulator.api_url} for alias, token in tokens.items()}


def test_skip_updates(bench: Bench):
    bench.emulator.people([WHO])
    bench.emulator.write([(WHO, f"async {n} 30") for n in range(3)])
    bot = bench.bot(STOP_TIMEOUT=0)
    wait_until(lambda: len(bench.database.records()) == 1, 60, "the first handler runs")
    bot.terminate()
    assert bot.wait() == 0
    bench.emulator.write([(WHO, f"async {n}") for n in range(3, 250)])

    skipping = bench.bot("--skip-updates")
    skipping.wait_for_line("250 updates skipped")
    bench.emulator.write([(WHO, "async 250")])

    bench.database.wait_done(1)
    assert bench.database.statuses() == {"skipped": 250, "done": 1}
    assert [number for _, number in bench.database.records()] == [0, 250]


def test_several_bots_in_one_process(bench: Bench):
    bench.emulator.people([WHO])
    both = bots(bench, default=TOKEN, second=SECOND)
    bot = bench.bot(BOTS=both)
    bot.wait_for_line(r"bot second \(test_bot2\) runs at")
    bench.emulator.write([(WHO, "async 1")])
    bench.emulator.write([(WHO, "async 2")], token=SECOND)

    bench.database.wait_calls(2)

    assert [message["text"] for message in bench.emulator.said(WHO)] == ["reply 1 1"]
    assert [message["text"] for message in bench.emulator.said(WHO, SECOND)] == ["reply 2 1"]
    found = bench.database.records("bot, number, pid")
    assert sorted(found) == [("default", 1, bot.pid), ("second", 2, bot.pid)]
    assert bench.database.accounts.count() == 2
    assert bench.database.conversations.count() == 2
    bot.terminate()
    assert bot.wait() == 0
    assert set(bench.database.accounts.values_list("lease_owner", flat=True)) == {""}


def test_one_bot_of_several_and_none_twice(bench: Bench):
    bot = bench.bot("second", "second", BOTS=bots(bench, default=TOKEN, second=SECOND))

    assert bench.database.accounts.get().alias == "second"
    assert bot.output.count(" runs at ") == 1


def test_a_wrong_token(bench: Bench):
    bot = bench.bot("wrong", ready=False, BOTS=bots(bench, default=TOKEN, wrong=THIRD))

    assert bot.wait() == 1
    bot.wait_for_line("^CommandError: .*token")
    assert THIRD not in bot.output
    assert bench.emulator.requests("self/get") == 1


def test_one_wrong_token_stops_the_others_in_order(bench: Bench):
    bot = bench.bot(ready=False, BOTS=bots(bench, default=TOKEN, wrong=THIRD))

    assert bot.wait() == 1
    assert not bench.database.accounts.exclude(lease_owner="").exists()
    assert THIRD not in bot.output


def test_a_database_without_tables_is_told_in_one_line(bench: Bench, tmp_path: Path):
    """There were 70 lines of a traceback before the one that says what to do."""
    empty = databases.sqlite_url(tmp_path / "empty.sqlite3")
    bot = bench.bot(ready=False, env={"TEST_DATABASE_URL": empty})

    assert bot.wait() == 1
    bot.wait_for_line("CRITICAL vkteams_bot.runtime bot default died: .*no such table.*: run manage.py migrate$")
    bot.wait_for_line("^CommandError: .*: run manage.py migrate$")
    assert len(bot.output.splitlines()) == 2


def test_an_unknown_alias(bench: Bench):
    bot = bench.bot("defualt", ready=False)

    assert bot.wait() == 1
    bot.wait_for_line(r'^CommandError: no bot defualt in VKTEAMS_BOT\["BOTS"\] \(there are: default\)$')


PROJECT_BOT = """
from vkteams_bot import Router

router = Router()


@router.message()
async def answer(message):
    return "{answer}"
"""


def test_reload(bench: Bench, start: Callable[..., Process], tmp_path: Path):
    project = tmp_path / "project"
    (project / "shop").mkdir(parents=True)
    (project / "shop" / "__init__.py").touch()
    (project / "shop" / "bot.py").write_text(PROJECT_BOT.format(answer="first"))
    (project / "project_settings.py").write_text(
        "from tests.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'shop']\n"
    )
    (project / "manage.py").write_text((ROOT / "manage.py").read_text())
    env = {
        **bench.environment(),
        "TEST_BOT_APP": "",
        "PYTHONPATH": f"{project}:{ROOT}",
        "DJANGO_SETTINGS_MODULE": "project_settings",
    }
    bench.emulator.people([WHO])
    bot = start(sys.executable, "manage.py", "runbot", "--reload", env=env, cwd=project)
    bot.wait_for_line(" runs at http")
    bench.emulator.write([(WHO, "hello")])
    wait_until(lambda: len(bench.emulator.said(WHO)) == 1, 60, "an answer")

    (project / "shop" / "bot.py").write_text(PROJECT_BOT.format(answer="second"))
    bot.wait_for_line("code changed, restarting")
    bench.emulator.write([(WHO, "hello")])
    wait_until(lambda: len(bench.emulator.said(WHO)) == 2, 60, "an answer")
    assert [message["text"] for message in bench.emulator.said(WHO)] == ["first", "second"]

    # A mistake ends the child, not the watcher.
    (project / "shop" / "bot.py").write_text("router = 1 +\n")
    bot.wait_for_line("SyntaxError")
    (project / "shop" / "bot.py").write_text(PROJECT_BOT.format(answer="third"))
    bench.emulator.write([(WHO, "hello")])
    wait_until(lambda: len(bench.emulator.said(WHO)) == 3, 60, "an answer")
    assert bench.emulator.said(WHO)[-1]["text"] == "third"

    bot.terminate()
    assert bot.wait() == 0
    assert bench.database.accounts.get().lease_owner == "", "the child ended in order"


ON_A_TERMINAL = r"""
import contextlib, os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
signal.signal(signal.SIGUSR1, lambda *_: os.write(terminal, b"\x03"))
with contextlib.suppress(OSError):  # its last process has closed it
    while output := os.read(terminal, 1024):
        os.write(1, output)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
"""Runs a command on a terminal of its own; SIGUSR1 presses Ctrl+C there."""


def test_ctrl_c_while_reloading_lets_handlers_finish(bench: Bench, start: Callable[..., Process]):
    """The terminal tells the bot, and the reloader told it once more: the second signal ended it at once."""
    bench.emulator.people([WHO])
    bench.emulator.write([(WHO, "async 1 2")])
    env = {**bench.environment(), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    bot = start(sys.executable, "-c", ON_A_TERMINAL, sys.executable, "manage.py", "runbot", "--reload", env=env)
    wait_until(lambda: len(bench.database.records()) == 1, 30, "the handler runs")
    bot.send(signal.SIGUSR1)
    assert bot.wait() == 0, bot
    assert bench.database.statuses() == {"done": 1}
