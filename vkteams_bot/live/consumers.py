"""The websocket of a broadcast's progress page: snapshots go out, nothing comes in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from vkteams_bot.broadcasts.permissions import may_see
from vkteams_bot.broadcasts.progress import Meter, snapshot
from vkteams_bot.live.receivers import group_of
from vkteams_bot.models import Broadcast
from vkteams_bot.stores.outages import is_outage

logger = logging.getLogger("vkteams_bot.live")

OVER, DENIED, GONE, RENEW, BROKEN = 4200, 4403, 4404, 4408, 1011
"""Close codes. `broadcast_progress.js` reads them: it stops at the first three, and comes again after the others."""


class _PageLeft(Exception):
    """The browser has gone, so nothing can be sent to it any more."""


class BroadcastConsumer(AsyncJsonWebsocketConsumer):
    """Sends the `snapshot` of one broadcast whenever it has changed, until the broadcast is over.

    `look_seconds`: how often it looks by itself, since nobody tells of a pause, and nobody of anything where there is
    no channel layer. `rest_seconds`: between two looks, at least. `life_seconds`: then the page has to connect anew
    and its user is looked at anew, whose session may have ended. `read` gives a snapshot.
    """

    _serving: asyncio.Task[None] | None = None

    def __init__(
        self,
        *,
        look_seconds: float = 2.0,
        rest_seconds: float = 0.5,
        life_seconds: float = 600.0,
        read: Callable[[int, Meter], dict[str, Any]] = snapshot,
    ) -> None:
        super().__init__()
        self._look_seconds, self._rest_seconds, self._life_seconds = look_seconds, rest_seconds, life_seconds
        self._read = database_sync_to_async(read)
        self._told = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._serving is not None:
                self._serving.cancel()

    async def connect(self) -> None:
        """Accepted before anything is asked: a browser is not told the code of a socket that was never open."""
        self._broadcast_id: int = self.scope["url_route"]["kwargs"]["broadcast_id"]
        await self.accept()
        self._serving = asyncio.create_task(self._serve(), name=f"the page of broadcast {self._broadcast_id}")

    async def disconnect(self, code: int) -> None:
        if self._serving is not None and self.channel_layer is not None:
            await self.channel_layer.group_discard(group_of(self._broadcast_id), self.channel_name)

    async def receive(self, *args: Any, **kwargs: Any) -> None:
        """Whatever a page says is left unread."""

    async def look(self, event: dict[str, Any]) -> None:
        """A message of the channel layer, sent by `receivers`."""
        self._told.set()

    async def _serve(self) -> None:
        try:
            code = await self._follow()
        except _PageLeft:
            return
        except Exception as error:  # a task that dies in silence would leave a page that says "Live" and shows nothing
            if is_outage(error):
                logger.info("the database is away, a progress page has to come again: %s", error)
            else:
                logger.exception("a progress page is cut off", extra={"broadcast": self._broadcast_id})
            code = BROKEN
        with contextlib.suppress(OSError, RuntimeError):  # it has gone by itself
            await self.close(code)

    async def _follow(self) -> int:
        """The close code that says why it ended."""
        if not await database_sync_to_async(may_see)(self.scope["user"]):
            return DENIED
        if self.channel_layer is not None:
            await self.channel_layer.group_add(group_of(self._broadcast_id), self.channel_name)
        meter = Meter()
        shown: dict[str, Any] = {}
        until = time.monotonic() + self._life_seconds
        while time.monotonic() < until:
            self._told.clear()
            try:
                newest = await self._read(self._broadcast_id, meter)
            except Broadcast.DoesNotExist:
                return GONE
            if newest != shown:
                await self._show(newest)
                shown = newest
            if newest["is_over"]:
                return OVER
            await asyncio.sleep(self._rest_seconds)
            await self._wait(self._look_seconds - self._rest_seconds)
        return RENEW

    async def _show(self, newest: dict[str, Any]) -> None:
        try:
            await self.send_json(newest)
        except (OSError, RuntimeError) as error:  # how servers say that the connection is closed
            raise _PageLeft from error

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return
