"""botemulator: a Bot API server on this machine."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vkteams_bot.emulator.behaviour import SWITCHES, Behaviour
from vkteams_bot.emulator.faults import Fault, Faults, parse_seconds, parse_short
from vkteams_bot.emulator.http import EmulatorApp
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.sockets import address
from vkteams_bot.emulator.world import DEFAULT_TOKEN, World
from vkteams_bot.management.extras import require
from vkteams_bot.management.listening import listen


class Command(BaseCommand):
    help = "Serve an emulated VK Teams Bot API, in memory: for tests and development, without a real token."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8081, help="0 takes a free one")
        parser.add_argument("--token", action="append", dest="tokens", metavar="T", help="a bot; may be repeated")
        parser.add_argument("--latency", metavar="TIME", help="answer every request after this time, e.g. 30ms")
        parser.add_argument(
            "--fault",
            action="append",
            default=[],
            dest="faults",
            metavar="KIND[=VALUE][@METHOD][:PROBABILITY][#TIMES]",
            help="e.g. 502:0.1, ratelimit@messages/sendText:0.05, latency=2s@events/get; may be repeated",
        )
        parser.add_argument(
            "--switch",
            action="append",
            default=[],
            dest="switches",
            metavar="NAME=VALUE",
            help=f"how the server behaves where the real one is not known: {', '.join(SWITCHES)}; may be repeated",
        )
        parser.add_argument("--quiet", action="store_true", help="print the URL and TOKEN lines only")
        parser.add_argument("--force", action="store_true", help="also with DEBUG = False, and for other machines")

    def handle(self, *args: Any, **options: Any) -> None:
        require("uvicorn", extra="playground")
        from vkteams_bot.emulator.server import serve

        try:
            app = self._app(options)
        except (Refusal, ValueError) as error:
            raise CommandError(str(error)) from None
        listener = listen(options["host"], options["port"], force=options["force"])
        app.world.base_url = address(listener)
        self._say(app, quiet=options["quiet"])
        serve(app, listener)

    def _app(self, options: dict[str, Any]) -> EmulatorApp:
        faults = [parse_short(text) for text in options["faults"]]
        if options["latency"]:
            faults.insert(0, Fault(kind="latency", seconds=parse_seconds(options["latency"])))
        changes = dict(text.partition("=")[::2] for text in options["switches"])
        world = World(options["tokens"] or [DEFAULT_TOKEN], behaviour=Behaviour().changed(changes))
        return EmulatorApp(world, Faults(faults))

    def _say(self, app: EmulatorApp, *, quiet: bool) -> None:
        url = app.world.base_url
        self.stdout.write(f"URL: {url}/bot/v1")
        for token in app.world.bots:
            self.stdout.write(f"TOKEN: {token}")
        if not quiet:
            people = ", ".join(app.world.users)
            self.stdout.write(f"Chats: {people} and the group {', '.join(app.world.directory.group_ids)}.")
            self.stdout.write("Write to the bot as a person:")
            person = next(iter(app.world.users))
            body = f'{{"chatId": "{person}", "from": "{person}", "text": "/start"}}'
            self.stdout.write(f"  curl {url}/emulator/messages -d '{body}'")
            self.stdout.write("Everything else: docs/emulator.md. Ctrl+C stops.")
        self.stdout.flush()
