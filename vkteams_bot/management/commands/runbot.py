"""manage.py runbot [alias …]"""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vkteams_bot.conf import conf
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.management.reloading import run_reloading
from vkteams_bot.management.terminal import log_to_terminal
from vkteams_bot.runtime.deaths import explain
from vkteams_bot.runtime.loop import run_in_loop
from vkteams_bot.runtime.supervisor import BotsDied, supervise
from vkteams_bot.signal_handlers import Deadline, end_process, stop_on_signals
from vkteams_bot.stores.connection_defaults import set_connection_defaults

EXIT_SECONDS = 15.0
"""For what the project does when the interpreter ends, and for threads of the project that it waits for."""


class Command(BaseCommand):
    help = "Poll the Bot API for one or more bots of VKTEAMS_BOT and dispatch updates to the handlers of all apps."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alias", nargs="*", help='which bots of VKTEAMS_BOT["BOTS"] (default: all)')
        parser.add_argument("--skip-updates", action="store_true", help="do not handle what came before the start")
        parser.add_argument(
            "--reset-offset", action="store_true", help="take all events that the server holds, whatever their ids"
        )
        parser.add_argument("--reload", action="store_true", help="restart when code changes (development)")

    def handle(self, *args: Any, **options: Any) -> None:
        aliases: Sequence[str] = list(dict.fromkeys(options["alias"])) or conf.aliases
        unknown = sorted(set(aliases) - set(conf.aliases))
        if unknown or not aliases:
            known = ", ".join(conf.aliases) or "none"
            raise CommandError(f'no bot {", ".join(unknown)} in VKTEAMS_BOT["BOTS"] (there are: {known})')
        if options["reload"]:
            sys.exit(run_reloading())
        log_to_terminal(options["verbosity"])
        set_connection_defaults()
        try:
            with Deadline(longest_stop(conf.stop_timeout)) as deadline:
                hanging = run_in_loop(_run(aliases, deadline, options["skip_updates"], options["reset_offset"]))
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        except BotsDied as died:
            if died.hanging:
                self.stderr.write(f"CommandError: {explain(died)}")
                end_process(1)
            raise CommandError(explain(died)) from died
        if hanging:
            end_process(0)

    def run_from_argv(self, argv: list[str]) -> None:
        """The process is this command's: what hangs when the command is done does not keep it."""
        code = 1
        try:
            super().run_from_argv(argv)
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
            raise
        finally:
            late = Deadline(EXIT_SECONDS, code=code)
            late.start()
            late.begin()


def longest_stop(stop_timeout: float) -> float:
    """The sum of what a stop in order may wait for: handlers, their last commit, the lease, connections and threads."""
    return 3 * stop_timeout + 25


async def _run(aliases: Sequence[str], deadline: Deadline, skip_updates: bool, reset_offset: bool) -> int:
    stop = asyncio.Event()
    with stop_on_signals(stop.set, deadline=deadline):
        return await supervise(
            aliases, stop, skip_updates=skip_updates, reset_offset=reset_offset, on_death=deadline.begin
        )
