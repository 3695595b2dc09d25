"""Serving an EmulatorApp by uvicorn. Needs the extra `playground`."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vkteams_bot.emulator.http import EmulatorApp
from vkteams_bot.emulator.request import CUT_EXTENSION
from vkteams_bot.signal_handlers import stop_on_signals

KEEP_ALIVE_SECONDS = 75


class CuttableProtocol(HttpToolsProtocol):
    """Lets the application close a connection without an answer. Give it to uvicorn as `http=`."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CUT_EXTENSION: {"abort": self.transport.abort}}


class EmulatorServer(uvicorn.Server):
    """Ends open long polls when it stops."""

    def __init__(self, app: EmulatorApp) -> None:
        self._app = app
        config = uvicorn.Config(
            app,
            http=CuttableProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=2,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Unlike uvicorn's own, which raises the signal that stopped it once more when it has ended in order."""
        with stop_on_signals(self._stop):
            yield

    def _stop(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.close()
        await super().shutdown(sockets)


def serve(app: EmulatorApp, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then return."""
    EmulatorServer(app).run(sockets=[listener])
