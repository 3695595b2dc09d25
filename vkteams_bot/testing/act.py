"""One verb for plain tests and for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from asgiref.sync import sync_to_async

from vkteams_bot.testing.home_thread import HomeThread


class Act:
    """What somebody does. In a plain test it has happened; a coroutine awaits it, and then it happens."""

    __slots__ = ("_happened", "_home", "_what", "_work")

    def __init__(self, what: str, work: Callable[[], None], home: HomeThread) -> None:
        self._what = what
        self._work = work
        self._home = home
        self._happened = False

    def __repr__(self) -> str:
        return self._what

    @property
    def happened(self) -> bool:
        return self._happened

    def happen(self) -> None:
        """Do it now. Raises what the bot's handlers raised, AssertionError and Refusal."""
        __tracebackhide__ = True
        if self._happened:
            raise RuntimeError(f"{self} has happened already; only a coroutine awaits it, and once")
        self._happened = True
        self._home.checked(self._work)

    def __await__(self) -> Generator[Any, Any, None]:
        return sync_to_async(self.happen)().__await__()


def in_coroutine() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
