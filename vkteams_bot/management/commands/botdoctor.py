"""manage.py botdoctor [alias]"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from vkteams_bot.api import Bot
from vkteams_bot.doctor.examination import Examination
from vkteams_bot.doctor.findings import Result, Status, examine
from vkteams_bot.doctor.report import as_json, can_run, lines_of_check, lines_of_trial
from vkteams_bot.doctor.trial import Trial
from vkteams_bot.registry import DEFAULT_ALIAS
from vkteams_bot.runtime.loop import run_in_loop
from vkteams_bot.signal_handlers import FORCED_EXIT, stop_on_signals


class Command(BaseCommand):
    help = "Find out why a bot cannot run, and with --chat what its installation supports. Exit code 0: it can run."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alias", nargs="?", default=DEFAULT_ALIAS, help='which bot of VKTEAMS_BOT["BOTS"]')
        parser.add_argument(
            "--chat",
            metavar="ID",
            help="try every method in this chat, best a group whose admin the bot is, and clean up afterwards",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            # What the project's modules print when they are imported must not spoil the JSON.
            with contextlib.redirect_stdout(sys.stderr):
                good = self._diagnose(options["alias"], options["chat"], quiet=options["json"])
        except KeyboardInterrupt:
            sys.exit(FORCED_EXIT)
        if not good:
            sys.exit(1)

    def _diagnose(self, alias: str, chat_id: str | None, *, quiet: bool) -> bool:
        examination = Examination(alias)
        results: list[Result] = []
        for result in examine(examination.checks()):
            results.append(result)
            if not quiet:
                self._print(*lines_of_check(result, self.style))
        trial = None
        if chat_id is not None and examination.bot is not None and _has_token(results):
            trial = run_in_loop(_try_methods(examination.bot, chat_id))
        if quiet:
            self._print(as_json(alias, results, trial))
        else:
            if trial is not None:
                self._print("", *lines_of_trial(trial, self.style))
            self._print("", _("The bot can run.") if can_run(results) else self.style.ERROR(_("The bot cannot run.")))
        return can_run(results)

    def _print(self, *lines: str) -> None:
        for line in lines:
            self.stdout.write(line)
        self.stdout.flush()


def _has_token(results: list[Result]) -> bool:
    return any(result.name == "token" and result.finding.status in (Status.OK, Status.WARN) for result in results)


async def _try_methods(bot: Bot, chat_id: str) -> Trial:
    """The first Ctrl+C ends the trial in order, the second at once."""
    stop = asyncio.Event()
    trial = Trial(bot, chat_id, stop)
    with stop_on_signals(stop.set):
        async with bot:
            await trial.run()
    return trial
