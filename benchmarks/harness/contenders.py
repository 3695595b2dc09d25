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


@dataclass(frozen=True)
class Mix(Bot):
    """For the section `limit`: a bot, or nothing, and so many other processes that send as the same bot."""

    replies: bool = True
    senders: int = 0
    priority: str = "bulk"

    def sender(self, services: Services) -> Command:
        return _limited_sender(services, self.priority)


@dataclass(frozen=True)
class Broadcaster(Bot):
    """For the section `broadcast`: so many Celery workers on the database of this bot, which does not run."""

    workers: int = 1

    def worker(self, database: Command, services: Services, number: int) -> Command:
        queues = "celery,vkteams.reply,vkteams.bulk"
        arguments = [OUR_PYTHON, "-m", "celery", "-A", "worker", "worker", "-c", "1", "-Q", queues, "-l", "INFO"]
        beat = [] if number else ["-B", "-s", str(BUILD / "beat")]
        return self._command([*arguments, "-n", f"worker{number}@localhost", *beat], database, services)

    def sender(self, database: Command, services: Services, recipients: int) -> Command:
        program = str(BENCHMARKS / "ours" / "bench_broadcast.py")
        return self._command([OUR_PYTHON, program, str(recipients)], database, services)

    def _command(self, arguments: list[str], database: Command, services: Services) -> Command:
        return Command(arguments, {**database.environment, "BENCH_BROKER_URL": services.redis.url})


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


def _test_kit(section: str, arguments: list[str]) -> Command:
    program = str(BENCHMARKS / "ours" / "bench_testkit.py")
    return Command([OUR_PYTHON, program, section, *arguments], _our_environment(DATABASE_URL="sqlite:"))


OUR_TEST_KIT = [Library("django-vkteams-bot, SQLite", _test_kit, ours=True)]
LIMIT = 30.0


def _limited(services: Services) -> dict[str, str]:
    services.redis.empty()
    return {"BENCH_RATE_LIMIT": str(LIMIT), "BENCH_REDIS_URL": services.redis.url}


def _limited_bot(services: Services) -> Command:
    command = _on_postgres(services)
    return Command(command.arguments, {**command.environment, **_limited(services)}, command.service)


def _limited_sender(services: Services, priority: str) -> Command:
    environment = _our_environment(BENCH_API_URL=services.load_server.api_url, BENCH_REDIS_URL=services.redis.url)
    program = str(BENCHMARKS / "ours" / "bench_limit.py")
    return Command([OUR_PYTHON, program, priority], {**environment, "BENCH_RATE_LIMIT": str(LIMIT)})


OUR_MIXES = [
    Mix("a bot that replies", "everything", _limited_bot, ours=True),
    Mix("the same, and 3 processes that send bulk", "everything", _limited_bot, ours=True, senders=3),
    Mix("4 processes that send one by one", "", _limited_bot, ours=True, replies=False, senders=4, priority="reply"),
    Mix("4 processes that send bulk", "", _limited_bot, ours=True, replies=False, senders=4),
]


OUR_BROADCASTS = [
    Broadcaster("django-vkteams-bot, 1 worker", "everything", _on_postgres, ours=True),
    Broadcaster("django-vkteams-bot, 2 workers", "everything", _on_postgres, ours=True, workers=2),
]


def delivery(bot: Command, rows: int, seconds: float) -> Command:
    """For the section `queue`: a worker's delivery on the database of this bot."""
    program = str(BENCHMARKS / "ours" / "bench_queue.py")
    return Command([OUR_PYTHON, program, "queue", str(rows), str(seconds)], {**_our_environment(), **bot.environment})


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
