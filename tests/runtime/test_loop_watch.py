"""Code that blocks the event loop is named; after a long time the process ends, unless a debugger may hold it."""

import asyncio
import logging
import math
import time
from typing import Any

import pytest

from vkteams_bot.runtime import supervisor
from vkteams_bot.runtime.loop_watch import LoopWatch
from vkteams_bot.stores.conditions import Conditions


class Bot:
    def __init__(self) -> None:
        self.conditions = Conditions("shop")
        self.left: list[tuple[Any, str]] = []

    def running_in(self, task: Any) -> None:
        """No handler runs: what blocks is the project's own task."""

    def leave(self, blocking: Any, reason: str) -> None:
        self.left.append((blocking, reason))


def run(seconds: float, *, end_seconds: float) -> tuple[Bot, list[int]]:
    bot = Bot()
    ended: list[int] = []

    async def main() -> None:
        watch = LoopWatch(end_seconds=end_seconds, tell_seconds=0.2, tick_seconds=0.05, end=ended.append)
        with watch:
            watch.add(bot)
            await asyncio.sleep(0.2)
            time.sleep(seconds)  # noqa: ASYNC251  what it is about
            await asyncio.sleep(0.3)
            watch.remove(bot)

    asyncio.run(main())
    return bot, ended


def test_what_blocks_is_named_with_its_place_and_told_when_it_is_over(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "vkteams_bot.runtime")
    bot, ended = run(1.0, end_seconds=math.inf)
    assert f"in main ({__file__}:" in caplog.text
    assert "time.sleep(seconds)" in caplog.text, "the stack"
    assert "bot shop: loop_blocked: nobody is served: the event loop is blocked by main" in caplog.text
    assert "bot shop: loop_blocked is over" in caplog.text
    assert (bot.left, ended) == ([], [])


def test_after_a_long_time_the_lease_is_given_back_and_the_process_ends(caplog: pytest.LogCaptureFixture):
    bot, ended = run(1.5, end_seconds=0.5)
    [(blocking, reason)] = bot.left
    assert blocking is None
    assert "blocked the event loop" in reason
    assert ended == [1]


@pytest.mark.parametrize(("debug", "seconds"), [(True, math.inf), (False, 60)])
def test_with_debug_it_is_told_and_never_ended(debug, seconds, settings, monkeypatch):
    settings.DEBUG = debug
    found: list[float] = []

    class Noted(LoopWatch):
        def __init__(self, *, end_seconds: float) -> None:
            found.append(end_seconds)
            super().__init__(end_seconds=end_seconds)

    monkeypatch.setattr(supervisor, "LoopWatch", Noted)
    asyncio.run(supervisor.supervise([], asyncio.Event()))
    assert found == [seconds]
