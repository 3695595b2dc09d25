"""A served playground for browser tests: uvicorn in a thread, the world acted on from the test."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import uvicorn
from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.urls import path

from tests import uvicorns
from tests.processes import wait_until
from vkteams_bot.emulator.page.scope import Commands, with_world
from vkteams_bot.emulator.page.urls import websocket_urlpatterns
from vkteams_bot.emulator.sockets import address, bind
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World

T = TypeVar("T")


class Playground:
    """A running page. It can be stopped and started again, on its port and with its world."""

    def __init__(self, world: World, commands: Commands | None = None) -> None:
        self._world = world
        self._commands = commands
        self._port = 0
        self.start()

    def start(self) -> None:
        websockets: Any = URLRouter(websocket_urlpatterns)
        routes: list[Any] = [path("playground/", websockets)]
        application = ProtocolTypeRouter(
            {
                "http": ASGIStaticFilesHandler(get_asgi_application()),
                "websocket": URLRouter(routes),
            }
        )
        listener = bind("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        self.url = f"{address(listener)}/playground/"
        config = uvicorn.Config(
            with_world(application, self._world, self._commands),
            lifespan="off",
            log_config=None,
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listener)), daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, 10, "the playground serves")

    async def _serve(self, listener: Any) -> None:
        self._loop = asyncio.get_running_loop()
        await uvicorns.serve(self._server, listener)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()

    def do(self, act: Callable[[World, BotAccount], T]) -> T:
        """Act on the world in the loop that owns it; `act` is given the world and its bot."""

        async def inside() -> T:
            return act(self._world, next(iter(self._world.bots.values())))

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(10)


@contextlib.contextmanager
def served(world: World, commands: Commands | None = None) -> Iterator[Playground]:
    playground = Playground(world, commands)
    try:
        yield playground
    finally:
        playground.stop()
