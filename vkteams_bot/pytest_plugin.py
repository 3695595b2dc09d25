"""pytest: the fixture `chat`, coroutines as tests, and assertion messages that show the conversation.

pytest loads this before Django is set up, so all of Django is imported where it is used.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import async_to_sync

MARKER = "vkteams(alias='default', routers=None, behaviour=None): the arguments of vkteams_bot.testing.Chat"
FOREIGN_MARKERS = ("asyncio", "anyio", "trio")

# pytest shows the first 8 lines and 640 characters of a longer message, but all of it with -vv and in CI.
LINES_SHOWN = 8
CHARACTERS_SHOWN = 640
LINE_CHARACTERS = 78
VALUE_CHARACTERS = 200


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def chat(request: pytest.FixtureRequest, db: None) -> Iterator[Any]:
    """A vkteams_bot.testing.Chat."""
    marker = request.node.get_closest_marker("vkteams")
    made = import_module("vkteams_bot.testing").Chat(**(marker.kwargs if marker else {}))
    yield made
    made.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """Run a coroutine that uses `chat` so that it sees the transaction of the fixture `db`."""
    module = type(pyfuncitem.funcargs.get("chat")).__module__
    if not module.startswith("vkteams_bot.testing") or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    if any(pyfuncitem.get_closest_marker(name) for name in FOREIGN_MARKERS):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    async_to_sync(pyfuncitem.obj)(**{name: pyfuncitem.funcargs[name] for name in names})
    return True


def pytest_assertrepr_compare(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    transcript: Any = getattr(left, "transcript", None) or getattr(right, "transcript", None)
    if transcript is None or not (isinstance(left, str) or isinstance(right, str)):
        return None
    values, lines = [repr(left), repr(right)], transcript()
    if config.get_verbosity() < 2 and not (os.environ.get("CI") or os.environ.get("BUILD_NUMBER")):
        values = [_cut(value, VALUE_CHARACTERS) for value in values]
        lines = _latest(lines, CHARACTERS_SHOWN - sum(map(len, values)))
    return [f" {op} ".join(values), "The conversation:", *lines]


def _latest(lines: list[str], room: int) -> list[str]:
    kept: list[str] = []
    for line in reversed(lines):
        line = _cut(line, LINE_CHARACTERS)
        room -= len(line)
        if room < 0 or len(kept) == LINES_SHOWN:
            return ["  ...", *reversed(kept[: LINES_SHOWN - 1])]
        kept.append(line)
    return kept[::-1]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
