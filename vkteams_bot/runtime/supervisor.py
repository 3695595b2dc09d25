"""Several bots in one process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial

from vkteams_bot.conf import conf, is_debug
from vkteams_bot.discovery import build_dispatcher
from vkteams_bot.registry import bots
from vkteams_bot.runtime.deaths import tell_death
from vkteams_bot.runtime.loop_watch import LoopWatch
from vkteams_bot.runtime.runner import BotRunner
from vkteams_bot.stores.lease import new_owner
from vkteams_bot.stores.threads import HandlerThreads
from vkteams_bot.worker.sender import sender


class BotsDied(ExceptionGroup[Exception]):
    """Why each of them did. `hanging`: as `supervise` returns it."""

    hanging = 0


def nobody() -> None:
    """Nobody is told."""


async def supervise(
    aliases: Sequence[str],
    stop: asyncio.Event,
    *,
    skip_updates: bool = False,
    reset_offset: bool = False,
    owner: str | None = None,
    on_death: Callable[[], object] = nobody,
) -> int:
    """Run these bots until `stop` is set. Raises BotsDied when one of them dies; the others stop in order.

    `on_death` is told when one dies, before it is wound up.
    Returns how many threads (plain handlers, a database that hangs) nothing can end but the end of the process.
    """
    dispatcher = build_dispatcher()
    threads = HandlerThreads()
    alone = asyncio.Lock()
    owner = owner or new_owner()
    failures: list[Exception] = []
    dead: set[str] = set()
    hanging = 0

    def note_death(alias: str, error: BaseException) -> None:
        if alias not in dead:
            dead.add(alias)
            on_death()
            tell_death(alias, error)
            stop.set()

    async def run(alias: str) -> None:
        nonlocal hanging
        runner = BotRunner(
            bots[alias],
            dispatcher,
            threads,
            owner=owner,
            stop=stop,
            loop_watch=loop_watch,
            skip_updates=skip_updates,
            alone=alone,
            reset_offset=reset_offset,
            on_death=partial(note_death, alias),
        )
        try:
            await runner.run()
        except Exception as error:  # whatever killed it: the other bots stop in order
            note_death(alias, error)
            failures.append(error)
        finally:
            hanging += runner.hanging

    try:
        # With DEBUG it may be a debugger that holds the loop.
        with LoopWatch(end_seconds=math.inf if is_debug() else conf.block_timeout) as loop_watch:
            await asyncio.gather(*(run(alias) for alias in aliases))
    finally:
        hanging += threads.close()
        await asyncio.to_thread(sender.close)
    if failures:
        died = BotsDied("bots died", failures)
        died.hanging = hanging
        raise died
    return hanging
