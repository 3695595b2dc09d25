"""manage.py playground"""

from __future__ import annotations

import asyncio
import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vkteams_bot.conf import conf
from vkteams_bot.emulator.page.project_urls import PREFIX
from vkteams_bot.emulator.sockets import address
from vkteams_bot.emulator.world import World
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.management.extras import require
from vkteams_bot.management.listening import listen
from vkteams_bot.management.terminal import log_to_terminal
from vkteams_bot.runtime.deaths import explain
from vkteams_bot.runtime.loop import run_in_loop
from vkteams_bot.signal_handlers import stop_on_signals


class Command(BaseCommand):
    help = "Chat with your bots in a browser: this site, the Bot API emulator and the bots in one process, no token."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--force", action="store_true", help="also with DEBUG off or on a public address")

    def handle(self, *args: Any, **options: Any) -> None:
        require("uvicorn", "websockets", extra="playground")
        if not conf.aliases:
            raise CommandError('VKTEAMS_BOT["BOTS"] is empty: the playground needs at least one bot')
        listener = listen(options["host"], options["port"], force=options["force"])
        log_to_terminal(options["verbosity"])
        try:
            run_in_loop(self._play(listener))
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        except ExceptionGroup as group:
            raise CommandError(explain(group)) from group

    async def _play(self, listener: socket.socket) -> None:
        from vkteams_bot.emulator.playground import play, point_bots_at

        url = address(listener)
        world = World(tokens=())
        world.base_url = url
        point_bots_at(world, f"{url}/bot/v1")
        self.stdout.write(f"Chat with the bot:  {url}/{PREFIX}")
        self.stdout.write(f"The site and admin: {url}/")
        self.stdout.write(f"Bot API emulator:   {url}/bot/v1   (Ctrl+C stops)")
        self.stdout.flush()
        stop = asyncio.Event()
        with stop_on_signals(stop.set):
            await play(listener, stop, aliases=conf.aliases, world=world)
