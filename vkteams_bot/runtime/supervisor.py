"""Several bots in one process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from vkteams_bot.conf import conf
from vkteams_bot.discovery import build_dispatcher
from vkteams_bot.registry import bots
from vkteams_bot.runtime.loop_watch import LoopWatch
from vkteams_bot.runtime.runner import BotRunner
from vkteams_bot.stores.lease import new_owner
from vkteams_bot.stores.threads import HandlerThreads
from vkteams_bot.worker.sender import sender

logger = logging.getLogger("vkteams_bot.runtime")


class BotsDied(ExceptionGroup[Exception]):
    """Why each of them did. `hanging`: as `supervise` returns it."""

    hanging = 0


async def supervise(
    aliases: Sequence[str],
    stop: asyncio.Event,
    *,
    skip_updates: bool = False,
    reset_offset: bool = False,
    owner: str | None = None,
) -> int:
    """Run these bots until `stop` is set. Raises BotsDied when one of them dies; the others stop in order.

    Returns how many threads (plain handlers, a database that hangs) nothing can end but the end of the process.
    """
    dispatcher = build_dispatcher()
    threads = HandlerThreads()
    alone = asyncio.Lock()
    owner = owner or new_owner()
    failures: list[Exception] = []
    hanging = 0

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
        )
        try:
            await runner.run()
        except Exception as error:
            logger.critical("bot %s died", alias, exc_info=error, extra={"bot": alias})
            failures.append(error)
            stop.set()
        finally:
            hanging += runner.hanging

    try:
        with LoopWatch(end_seconds=conf.block_timeout) as loop_watch:
            await asyncio.gather(*(run(alias) for alias in aliases))
    finally:
        hanging += threads.close()
        await asyncio.to_thread(sender.close)
    if failures:
        died = BotsDied("bots died", failures)
        died.hanging = hanging
        raise died
    return hanging
