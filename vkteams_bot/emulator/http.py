"""EmulatorApp: the HTTP face, a plain ASGI application that needs no Django."""

from __future__ import annotations

import asyncio

from vkteams_bot.emulator.botapi import BotApi
from vkteams_bot.emulator.control import Control
from vkteams_bot.emulator.download import download
from vkteams_bot.emulator.faults import Faults
from vkteams_bot.emulator.request import ClientGone, Receive, Request, Scope, Send, TooLong
from vkteams_bot.emulator.world import World

API = "/bot/v1/"
CONTROL = "/emulator/"
FILES = "/files/get/"
GREETING = """This is the Bot API emulator of vkteams_bot, a server for tests and development.

/bot/v1/       the Bot API
/emulator/     the control API: users, chats, messages, callbacks, events, faults, behaviour, reset, state
/files/get/    downloads
"""


class EmulatorApp:
    """Serves one world. Mount it under any server, or beside another application for the paths it `handles`."""

    def __init__(self, world: World, faults: Faults | None = None) -> None:
        self.world = world
        self.faults = faults or Faults()
        self._closing = asyncio.Event()
        self._api = BotApi(world, self.faults, self._closing)
        self._control = Control(world, self.faults, self._api.requests)

    @staticmethod
    def handles(path: str) -> bool:
        """Whether a path is ours; `/` is not, so that a page may stand there."""
        return path.startswith((API, CONTROL, FILES))

    def close(self) -> None:
        """End all that waits: long polls answer with no events, faults that hang cut their connection."""
        self._closing.set()
        self.world.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            request = Request(scope, receive, send)
            try:
                await self._serve(request)
            except ClientGone:
                pass
            except TooLong as error:
                await request.text(error.status, "the request is too long\n")

    async def _serve(self, request: Request) -> None:
        path = request.path
        if path.startswith(API):
            await self._api.serve(request, path[len(API) :])
        elif path.startswith(CONTROL):
            await self._control.serve(request, path[len(CONTROL) :])
        elif path.startswith(FILES):
            await download(request, self.world, path[len(FILES) :])
        elif path == "/":
            await request.text(200, GREETING)
        else:
            await request.text(404, "the Bot API is under /bot/v1/\n")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
