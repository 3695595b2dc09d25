"""Who is measured, and how each is started."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.paths import BENCHMARKS, BUILD, PEERS_ENVIRONMENT, ROOT
from harness.services import Postgres, Redis, Services

PROGRAMS = {"PYTHONPATH": str(BENCHMARKS / "programs")}


@dataclass(frozen=True)
class Command:
    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    service: Redis | Postgres | None = None  # whose CPU is counted apart


@dataclass(frozen=True)
class Library:
    """A program for the sections without a bot: gets the section's name and arguments, prints one JSON object."""

    name: str
    program: Callable[[str, list[str]], Command]
    ours: bool = False


@dataclass(frozen=True)
class Bot:
    """`start` empties the bot's storage and says how to start it."""

    name: str
    survives: str  # what a crash of the process leaves
    start: Callable[[Services], Command]
    ours: bool = False


# -- peers -------------------------------------------------------------------------------------------------------------


def make_peers_environment() -> None:
    """.venv-peers from requirements-peers.txt, made again when that file changes."""
    requirements = BENCHMARKS / "requirements-peers.txt"
    stamp, python = PEERS_ENVIRONMENT / "requirements.txt", PEERS_ENVIRONMENT / "bin" / "python"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return
    print("making .venv-peers ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", PEERS_ENVIRONMENT], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
    stamp.write_text(requirements.read_text())


def peer_versions() -> dict[str, str]:
    lines = subprocess.run(
        [PEERS_ENVIRONMENT / "bin" / "python", "-m", "pip", "list", "--format=freeze"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return dict(line.split("==") for line in lines if "==" in line)


PEERS_PYTHON = str(PEERS_ENVIRONMENT / "bin" / "python")


def _peer(name: str, script: str) -> Library:
    path = str(BENCHMARKS / "peers" / script)
    return Library(name, lambda section, arguments: Command([PEERS_PYTHON, path, section, *arguments], PROGRAMS))


def _peer_bot(name: str, survives: str, script: str, *extra: str, redis: bool = False) -> Bot:
    def start(services: Services) -> Command:
        arguments = [PEERS_PYTHON, str(BENCHMARKS / "peers" / script), "bot", services.load_server.api_url, *extra]
        if not redis:
            return Command(arguments, PROGRAMS)
        services.redis.empty()
        return Command([*arguments, services.redis.url], PROGRAMS, services.redis)

    return Bot(name, survives, start)


PEER_LIBRARIES = [
    _peer("vk-teams-async-bot", "bench_vk_teams_async_bot.py"),
    _peer("vkworkspace", "bench_vkworkspace.py"),
    _peer("mailru-im-bot", "bench_mailru_im_bot.py"),
]
PEER_BOTS = [
    _peer_bot("vk-teams-async-bot, memory", "nothing", "bench_vk_teams_async_bot.py"),
    _peer_bot("vk-teams-async-bot, Redis", "state", "bench_vk_teams_async_bot.py", redis=True),
    _peer_bot("vkworkspace, memory", "nothing", "bench_vkworkspace.py"),
    _peer_bot("vkworkspace, Redis", "state", "bench_vkworkspace.py", redis=True),
    _peer_bot("mailru-im-bot", "nothing (has no state)", "bench_mailru_im_bot.py"),
    _peer_bot("mailru-im-bot, 32 threads", "nothing (has no state)", "bench_mailru_im_bot.py", "32"),
]

FLOOR = _peer_bot("(floor: two raw sockets, no library)", "nothing", "bench_floor.py")


# -- ours --------------------------------------------------------------------------------------------------------------

OUR_PYTHON = os.environ.get("BENCH_PYTHON") or str(ROOT / ".venv" / "bin" / "python")
PROJECT = BENCHMARKS / "ours" / "project"


def _our_environment(**more: str) -> dict[str, str]:
    # The tree that holds this file is measured, whatever is installed.
    path = os.pathsep.join([str(ROOT), str(BENCHMARKS / "programs"), str(PROJECT)])
    return {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "settings", **more}


def _manage(*arguments: str) -> list[str]:
    return [OUR_PYTHON, str(PROJECT / "manage.py"), *arguments]


def _migrate(url: str, api_url: str) -> None:
    finished = subprocess.run(
        _manage("migrate", "--verbosity", "0"),
        env={**os.environ, **_our_environment(DATABASE_URL=url, BENCH_API_URL=api_url)},
        capture_output=True,
        text=True,
    )
    if finished.returncode:
        raise RuntimeError(finished.stderr[-2000:])


def _our_program(section: str, arguments: list[str]) -> Command:
    return Command(
        [OUR_PYTHON, str(BENCHMARKS / "ours" / "bench_vkteams_bot.py"), section, *arguments], _our_environment()
    )


_migrated: set[str] = set()


def _on_postgres(services: Services) -> Command:
    postgres, api_url = services.postgres, services.load_server.api_url
    if "postgres" not in _migrated:
        _migrate(postgres.new_database("bench_template"), api_url)
        _migrated.add("postgres")
    url = postgres.new_database("bench", template="bench_template")
    return Command(_manage("runbot"), _our_environment(DATABASE_URL=url, BENCH_API_URL=api_url), postgres)


def _on_sqlite(services: Services) -> Command:
    template, database = BUILD / "template.sqlite3", BUILD / "bench.sqlite3"
    for path in BUILD.glob("bench.sqlite3*"):
        path.unlink()
    if "sqlite" not in _migrated:
        for path in BUILD.glob("template.sqlite3*"):
            path.unlink()
        _migrate(f"sqlite:///{template}", services.load_server.api_url)
        _migrated.add("sqlite")
    for path in BUILD.glob("template.sqlite3*"):
        shutil.copy(path, Path(str(path).replace(str(template), str(database))))
    environment = _our_environment(DATABASE_URL=f"sqlite:///{database}", BENCH_API_URL=services.load_server.api_url)
    return Command(_manage("runbot"), environment)


OUR_LIBRARIES = [Library("django-vkteams-bot", _our_program, ours=True)]
OUR_BOTS = [
    Bot("django-vkteams-bot, PostgreSQL", "everything", _on_postgres, ours=True),
    Bot("django-vkteams-bot, SQLite", "everything", _on_sqlite, ours=True),
]


def our_package_is_there() -> str | None:
    """None if it can be measured, otherwise the reason."""
    if not Path(OUR_PYTHON).exists():
        return f"no Python at {Path(OUR_PYTHON).name} (make the project's environment, or set BENCH_PYTHON)"
    check = subprocess.run(
        [OUR_PYTHON, "-c", "import vkteams_bot.api"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return None if check.returncode == 0 else check.stderr.strip().rpartition("\n")[2]
