"""manage.py runbot [alias …]"""

from __future__ import annotations

import asyncio
import logging
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vkteams_bot.conf import conf
from vkteams_bot.exceptions import ConfigurationError, InvalidToken
from vkteams_bot.management.reloading import run_reloading
from vkteams_bot.runtime.loop import run_in_loop
from vkteams_bot.runtime.stopping import stop_on_signals
from vkteams_bot.runtime.supervisor import supervise

logger = logging.getLogger("vkteams_bot.runtime")


class Command(BaseCommand):
    help = "Poll the Bot API for one or more bots of VKTEAMS_BOT and dispatch updates to the handlers of all apps."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alias", nargs="*", help='which bots of VKTEAMS_BOT["BOTS"] (default: all)')
        parser.add_argument("--skip-updates", action="store_true", help="do not handle what came before the start")
        parser.add_argument("--reload", action="store_true", help="restart when code changes (development)")

    def handle(self, *args: Any, **options: Any) -> None:
        aliases: Sequence[str] = options["alias"] or conf.aliases
        unknown = sorted(set(aliases) - set(conf.aliases))
        if unknown or not aliases:
            known = ", ".join(conf.aliases) or "none"
            raise CommandError(f'no bot {", ".join(unknown)} in VKTEAMS_BOT["BOTS"] (there are: {known})')
        if options["reload"]:
            sys.exit(run_reloading())
        try:
            run_in_loop(_run(aliases, skip_updates=options["skip_updates"]))
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        except ExceptionGroup as group:
            logger.debug("why the bots died", exc_info=group)
            raise CommandError("; ".join(map(_explain, group.exceptions))) from group


async def _run(aliases: Sequence[str], *, skip_updates: bool) -> None:
    stop = asyncio.Event()
    with stop_on_signals(stop):
        await supervise(aliases, stop, skip_updates=skip_updates)


def _explain(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, InvalidToken):
        return "the server refused the token: check TOKEN, and that API_URL is the installation that issued it"
    return f"{type(error).__name__}: {error}"
