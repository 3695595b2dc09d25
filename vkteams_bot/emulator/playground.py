"""One process with everything: the project's pages, the emulator, the chat page and the bots."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import uvicorn
from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.urls import path

from vkteams_bot.conf import conf, put_urls_in_front
from vkteams_bot.discovery import discover_routers
from vkteams_bot.emulator.http import EmulatorApp
from vkteams_bot.emulator.page.project_urls import PREFIX
from vkteams_bot.emulator.page.scope import BotCommand, with_world
from vkteams_bot.emulator.page.urls import websocket_urlpatterns
from vkteams_bot.emulator.server import KEEP_ALIVE_SECONDS, CuttableProtocol
from vkteams_bot.emulator.world import World
from vkteams_bot.live.routing import websocket_urlpatterns as live_urlpatterns
from vkteams_bot.registry import bots
from vkteams_bot.routing import Router
from vkteams_bot.routing.filters import Command
from vkteams_bot.runtime.supervisor import supervise

STOP_SECONDS = 2.0


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's: the bots stop before the server that they talk to."""
        yield


def declared_commands(routers: Iterable[Router]) -> list[BotCommand]:
    """What the composer suggests: the commands of message handlers, with the first line of their docstrings."""
    found: dict[str, BotCommand] = {}
    for declaration in (item for root in routers for router in root.walk() for item in router.message.handlers):
        for command in (item for item in declaration.filters if isinstance(item, Command)):
            description = (inspect.getdoc(declaration.callback) or "").partition("\n")[0]
            for name in command.names:
                text = f"{command.prefixes[0]}{name}"
                found.setdefault(text, BotCommand(text, description))
    return list(found.values())


def playground_app(emulator: EmulatorApp) -> Any:
    """The ASGI application: the emulator's addresses, else the project with the playground in front."""
    put_urls_in_front("vkteams_bot.emulator.page.project_urls")
    commands = declared_commands(discover_routers())
    project = with_world(
        ProtocolTypeRouter(
            {
                "http": ASGIStaticFilesHandler(get_asgi_application()),
                "websocket": URLRouter(
                    [
                        cast("Any", path(PREFIX, cast("Any", URLRouter(websocket_urlpatterns)))),
                        *live_urlpatterns,
                    ]
                ),
            }
        ),
        emulator.world,
        {bot.user_id: commands for bot in emulator.world.bots.values()},
    )

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        is_api = scope["type"] == "http" and EmulatorApp.handles(scope["path"])
        await (emulator if is_api else project)(scope, receive, send)

    return application


def point_bots_at(world: World, url: str) -> None:
    """Let the bots of this process talk to the emulator, whatever the settings say: no token leaves it.

    They deliver themselves what is due: workers of the settings would know other bots.
    """
    conf.force(delivery="runbot", stop_timeout=STOP_SECONDS)
    for number, alias in enumerate(conf.aliases):
        token = f"001.0000000000.{number:010}:{1000000001 + number}"
        world.add_bot(token, nick=f"{alias}_bot", first_name=alias.title())
        bots.override(alias, token=token, api_url=url, proxy=None, verify=True)


async def play(listener: socket.socket, stop: asyncio.Event, *, aliases: Sequence[str], world: World) -> None:
    """Serve until `stop` is set. Raises ExceptionGroup when a bot dies."""
    emulator = EmulatorApp(world)
    config = uvicorn.Config(
        playground_app(emulator),
        http=CuttableProtocol,
        lifespan="off",
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="playground server")
    try:
        await server.ready.wait()
        await supervise(aliases, stop)
    finally:
        emulator.close()
        server.should_exit = True
        await serving
