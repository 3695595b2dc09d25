"""pytest: the fixture `chat`, coroutines as tests, and assertion messages that show the conversation.

pytest loads this before Django is set up, so all of Django is imported where it is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import async_to_sync

MARKER = "vkteams(alias='default', routers=None, behaviour=None): the arguments of vkteams_bot.testing.Chat"
FOREIGN_MARKERS = ("asyncio", "anyio", "trio")


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
    found = type(pyfuncitem.funcargs.get("chat")).__module__
    if not found.startswith("vkteams_bot.testing") or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    if any(pyfuncitem.get_closest_marker(name) for name in FOREIGN_MARKERS):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    async_to_sync(pyfuncitem.obj)(**{name: pyfuncitem.funcargs[name] for name in names})
    return True


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    transcript: Any = next((found for side in (left, right) if (found := getattr(side, "transcript", None))), None)
    if transcript is None or not (isinstance(left, str) or isinstance(right, str)):
        return None
    return [f"{left!r} {op} {right!r}", "The conversation:", *transcript()]
