#!/usr/bin/env python
"""Do what the README tells a new user, with the built wheel, in an empty environment, and talk to the bot."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import venv
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.processes import Process  # noqa: E402  it stands in the checkout, not in the environment

APP = "vkteams_bot"
DATA = ("templates", "static", "locale", "migrations")
TOKEN = "001.0123456789.0123456789:1000000042"
ALICE = "alice@example.com"
ANSWER = "Hello from the wheel!"

SETTINGS = f"""
import os

INSTALLED_APPS += ["{APP}", "shop"]

VKTEAMS_BOT = {{
    "BOTS": {{
        "default": {{
            "TOKEN": os.environ["BOT_TOKEN"],
            "API_URL": os.environ["BOT_API_URL"],
        }}
    }}
}}
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


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="vkteams-bot-wheel-") as scratch:
        wheel = build(Path(scratch))
        check_contents(wheel)
        project = start_project(Path(scratch), wheel)
        talk(project)
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


def start_project(scratch: Path, wheel: Path) -> Path:
    say("install it into an empty environment")
    venv.create(scratch / "venv", with_pip=True)
    python = scratch / "venv" / "bin" / "python"
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", wheel, cwd=scratch)
    run(python, "-m", "pip", "check", cwd=scratch)
    say("start a project with one app")
    run(python, "-m", "django", "startproject", "mysite", cwd=scratch)
    project = scratch / "mysite"
    run(python, "manage.py", "startapp", "shop", cwd=project)
    with (project / "mysite" / "settings.py").open("a", encoding="utf-8") as settings:
        settings.write(SETTINGS)
    (project / "shop" / "bot.py").write_text(BOT, encoding="utf-8")
    return project


def talk(project: Path) -> None:
    python = project.parent / "venv" / "bin" / "python"
    # Nothing but the environment of the wheel: no checkout on the path, no settings of ours.
    env: dict[str, str | None] = {
        "PYTHONPATH": None,
        "DJANGO_SETTINGS_MODULE": None,
        "BOT_TOKEN": TOKEN,
        "BOT_API_URL": "http://127.0.0.1:1/bot/v1",  # nobody, until the emulator told its address
    }
    for command in (["migrate", "--verbosity", "0"], ["check", "--fail-level", "WARNING"]):
        run(python, "manage.py", *command, cwd=project, env=env)
    say("start the emulator")
    emulate = ("botemulator", "--host", "127.0.0.1", "--port", "0", "--token", TOKEN)
    with Process(python, "manage.py", *emulate, cwd=project, env=env) as emulator:
        url = emulator.wait_for_line(r"URL: (\S+/bot/v1)\s*$").group(1)
        printed = emulator.wait_for_line(r"TOKEN: (\S+)\s*$").group(1)
        if printed != TOKEN:
            sys.exit(f"the emulator knows another token: {printed}\n{emulator}")
        say("start the bot and say /start")
        with Process(python, "manage.py", "runbot", cwd=project, env={**env, "BOT_API_URL": url}) as bot:
            try:
                converse(url, bot)
                bot.terminate()
                if bot.wait(30) != 0:
                    raise AssertionError("runbot does not end with 0 on SIGTERM")
            except (AssertionError, OSError) as error:
                sys.exit(f"{error}\n\n{emulator}\n\n{bot}")


def converse(url: str, bot: Process) -> None:
    origin = url.removesuffix("/bot/v1")
    request(f"{origin}/emulator/messages", {"chatId": ALICE, "from": ALICE, "text": "/start"})
    seen = f"{origin}/emulator/messages?{urllib.parse.urlencode({'chatId': ALICE})}"
    deadline = time.monotonic() + 30
    while True:
        messages = request(seen)["messages"]
        if any(message.get("text") == ANSWER for message in messages):
            say(f"it answered: {ANSWER}")
            return
        if bot.returncode is not None:
            raise AssertionError("runbot ended before it answered")
        if time.monotonic() > deadline:
            raise AssertionError(f"no answer within 30 s; the chat holds: {messages}")
        time.sleep(0.1)


def request(url: str, body: dict[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    # No proxy of the environment: the emulator is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=10) as response:
        return json.load(response)


def run(*command: str | os.PathLike[str], cwd: Path = ROOT, env: dict[str, str | None] | None = None) -> None:
    merged = {**os.environ, **(env or {})}
    kept = {key: value for key, value in merged.items() if value is not None}
    done = subprocess.run(command, cwd=cwd, env=kept, check=False)
    if done.returncode:
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(map(os.fspath, command))}")


if __name__ == "__main__":
    sys.exit(main())
