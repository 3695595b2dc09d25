#!/usr/bin/env python
"""Do what the README tells a new user, with the built wheel, in an empty environment, and talk to the bot.

The environment grows: the core alone sends, answers and names the extras that it lacks; with `postgres` and `redis` a
Celery worker delivers over Redis; with `playground` the chat page is served. Nothing of the checkout is on its path.
The Bot API server is the checkout's, in the environment that runs this.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.processes import Process, wait_until  # noqa: E402  it stands in the checkout, not in the environment
from tests.services import PrivateRedis, ServiceMissing, services_required  # noqa: E402

APP = "vkteams_bot"
DATA = ("templates", "static", "locale", "migrations")
TOKEN = "001.0123456789.0123456789:1000000042"
ALICE = "alice@example.com"
ANSWER = "Hello from the wheel!"

SETTINGS = f"""
import os

INSTALLED_APPS += ["channels", "{APP}", "shop"]

VKTEAMS_BOT = {{
    "BOTS": {{
        "default": {{
            "TOKEN": "{TOKEN}",
            "API_URL": os.environ["BOT_API_URL"],
            "RATE_LIMIT": 30,
        }}
    }}
}}

if REDIS_URL := os.environ.get("REDIS_URL"):
    CELERY_BROKER_URL = REDIS_URL
    CACHES = {{"default": {{"BACKEND": "django_redis.cache.RedisCache", "LOCATION": REDIS_URL}}}}
    CHANNEL_LAYERS = {{
        "default": {{"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {{"hosts": [REDIS_URL]}}}}
    }}
"""

CELERY = """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
app = Celery("mysite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""

BOT = f"""
from vkteams_bot import Router
from vkteams_bot.filters import Command
from vkteams_bot.types import Message

router = Router()


@router.message(Command("start"))
async def start(message: Message):
    await message.answer("{ANSWER}")
"""

SEND = f"""
from vkteams_bot import bot

bot.send_text("{ALICE}", "Sent by the core").send()
"""

DELAY = f"""
import psycopg
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from vkteams_bot import bot

async_to_sync(get_channel_layer().send)("wheel", {{"type": "test"}})
bot.send_text("{ALICE}", "Sent by a worker").delay()
"""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="vkteams-bot-wheel-") as scratch, contextlib.ExitStack() as services:
        wheel = build(Path(scratch))
        check_contents(wheel)
        messenger = Messenger(services.enter_context(emulator()))
        project = Project(Path(scratch), wheel, messenger.api_url)
        try:
            try_core(project, messenger)
            try_workers(project, messenger)
            try_playground(project)
        except (AssertionError, OSError) as error:
            sys.exit(str(error))
    print("wheel-test: passed")
    return 0


def say(step: str) -> None:
    print(f"-- {step}", flush=True)


def build(scratch: Path) -> Path:
    say("build the wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", scratch / "dist", ROOT)
    (wheel,) = (scratch / "dist").glob("*.whl")
    return wheel


def check_contents(wheel: Path) -> None:
    say(f"look into {wheel.name}")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / APP).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    problems = [f"not in the wheel: {name}" for name in sorted(ours - inside)]
    for kind in DATA:
        if not any(f"/{kind}/" in name for name in inside):
            problems.append(f"nothing of {kind}/ in the wheel")
    problems += [
        f"no {name} in the wheel"
        for name in (f"{APP}/py.typed", f"{APP}/locale/ru/LC_MESSAGES/django.mo", f"{APP}/migrations/0001_initial.py")
        if name not in inside
    ]
    problems += [
        f"does not belong into the wheel: {name}"
        for name in sorted(inside)
        if not name.startswith((f"{APP}/", "django_vkteams_bot-")) or name.endswith(".pyc")
    ]
    if not any(name.endswith("/LICENSE") for name in inside):
        problems.append("no LICENSE in the wheel")
    if problems:
        sys.exit("\n".join(problems))


class Project:
    """A new Django project with one app, in an environment of its own."""

    def __init__(self, scratch: Path, wheel: Path, api_url: str) -> None:
        self._wheel = wheel
        self._scratch = scratch
        self._directory = scratch / "mysite"
        self._python = scratch / "venv" / "bin" / "python"
        # Nothing but the environment of the wheel: no checkout on the path, no settings of ours.
        self.env: dict[str, str | None] = {
            "PYTHONPATH": None,
            "DJANGO_SETTINGS_MODULE": None,
            "BOT_API_URL": api_url,
        }
        say("make an empty environment")
        venv.create(scratch / "venv", with_pip=True)
        self.install()
        say("start a project with one app")
        run(self._python, "-m", "django", "startproject", "mysite", cwd=scratch)
        run(self._python, "manage.py", "startapp", "shop", cwd=self._directory)
        with (self._directory / "mysite" / "settings.py").open("a", encoding="utf-8") as settings:
            settings.write(SETTINGS)
        (self._directory / "mysite" / "celery.py").write_text(CELERY, encoding="utf-8")
        (self._directory / "mysite" / "__init__.py").write_text("from .celery import app\n", encoding="utf-8")
        (self._directory / "shop" / "bot.py").write_text(BOT, encoding="utf-8")

    def install(self, *extras: str) -> None:
        """The wheel, with these extras on top of what is there."""
        wanted = f"{self._wheel}[{','.join(extras)}]" if extras else str(self._wheel)
        say(f"install the wheel with {', '.join(extras) or 'the core alone'}")
        # What is imported is compiled then.
        pip = (self._python, "-m", "pip", "--disable-pip-version-check")
        run(*pip, "install", "--quiet", "--no-compile", wanted, cwd=self._scratch)
        run(*pip, "check", cwd=self._scratch)

    def manage(self, *args: str) -> None:
        run(self._python, "manage.py", *args, cwd=self._directory, env=self.env)

    def start(self, *args: str) -> Process:
        return Process(self._python, *args, cwd=self._directory, env=self.env)


class Messenger:
    """The emulator, as Alice sees it."""

    def __init__(self, api_url: str) -> None:
        self.api_url = api_url
        self._address = f"{api_url.removesuffix('/bot/v1')}/emulator/messages"

    def write(self, text: str) -> None:
        request(self._address, {"chatId": ALICE, "from": ALICE, "text": text})

    def wait_for(self, text: str) -> None:
        query = urllib.parse.urlencode({"chatId": ALICE})
        wait_until(
            lambda: any(message.get("text") == text for message in request(f"{self._address}?{query}")["messages"]),
            30,
            f"Alice reads {text!r}",
        )
        say(f"Alice reads: {text}")


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """The address of a Bot API server."""
    say("start the emulator")
    with Process.manage("botemulator", "--port", "0", "--force", "--token", TOKEN) as process:
        yield process.wait_for_line(r"URL: (\S+/bot/v1)\s*$").group(1)


def try_core(project: Project, messenger: Messenger) -> None:
    project.manage("migrate", "--verbosity", "0")
    project.manage("check", "--fail-level", "WARNING")
    say("send a message")
    project.manage("shell", "-c", SEND)
    messenger.wait_for("Sent by the core")
    say("start the bot and say /start")
    with project.start("manage.py", "runbot") as bot, shown_on_failure(bot):
        bot.wait_for_line(" runs at ")
        messenger.write("/start")
        messenger.wait_for(ANSWER)
        bot.terminate()
        assert bot.wait(30) == 0, "runbot does not end with 0 on SIGTERM"
    say("what needs an extra names it")
    for command, extra in (("playground", "playground"), ("botemulator", "playground"), ("runbot --reload", "reload")):
        with project.start("manage.py", *command.split()) as refused, shown_on_failure(refused):
            assert refused.wait(30) == 1, f"{command} does not end with 1"
            assert f'pip install "django-vkteams-bot[{extra}]"' in refused.output, f"{command} names no remedy"
            assert "Traceback" not in refused.output, f"{command} shows a traceback"


def try_workers(project: Project, messenger: Messenger) -> None:
    project.install("postgres", "redis")
    try:
        redis = PrivateRedis()
    except ServiceMissing as missing:
        if services_required():
            sys.exit(str(missing))
        return say(str(missing))
    with contextlib.closing(redis):
        project.env["REDIS_URL"] = redis.url
        say("start a Celery worker and delay a call")
        queues = "celery,vkteams.reply,vkteams.bulk"
        worker_command = ("-m", "celery", "-A", "mysite", "worker", "-c", "1", "-Q", queues, "-l", "INFO")
        with project.start(*worker_command) as worker, shown_on_failure(worker):
            worker.wait_for_line(r" ready\.$")
            project.manage("shell", "-c", DELAY)
            messenger.wait_for("Sent by a worker")
            worker.terminate()
            assert worker.wait(30) == 0, "the worker does not end with 0 on SIGTERM"
        project.env["REDIS_URL"] = None
    return None


def try_playground(project: Project) -> None:
    project.install("playground")
    say("open the playground")
    with project.start("manage.py", "playground", "--port", "0") as playground, shown_on_failure(playground):
        page = playground.wait_for_line(r"Chat with the bot:  (\S+)").group(1)
        playground.wait_for_line(" runs at ")
        for url in (page, f"{page.removesuffix('playground/')}static/vkteams_bot/playground/app.js"):
            assert fetch(url), f"{url} is empty"
        playground.terminate()
        assert playground.wait(30) == 0, "the playground does not end with 0 on SIGTERM"


@contextlib.contextmanager
def shown_on_failure(process: Process) -> Iterator[None]:
    """An AssertionError tells what the process wrote."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{error}\n\n{process}") from None


def request(url: str, body: dict[str, str] | None = None) -> Any:
    return json.loads(fetch(url, None if body is None else json.dumps(body).encode()))


def fetch(url: str, data: bytes | None = None) -> bytes:
    # No proxy of the environment: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=10) as response:
        content: bytes = response.read()
    return content


def run(*command: str | os.PathLike[str], cwd: Path = ROOT, env: dict[str, str | None] | None = None) -> None:
    merged = {**os.environ, **(env or {})}
    kept = {key: value for key, value in merged.items() if value is not None}
    done = subprocess.run(command, cwd=cwd, env=kept, check=False)
    if done.returncode:
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(map(os.fspath, command))}")


if __name__ == "__main__":
    sys.exit(main())
