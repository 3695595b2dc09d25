"""The websocket of a broadcast's progress page: snapshots go out, nothing comes in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from vkteams_bot.live.receivers import group_of
from vkteams_bot.live.snapshot import may_see, snapshot
from vkteams_bot.models import Broadcast

logger = logging.getLogger("vkteams_bot.live")

LOOK_SECONDS = 2.0
"""How often it looks by itself: nobody tells of a pause, and without a channel layer nobody tells of anything."""
REST_SECONDS = 0.5
"""Between two looks, at least."""
LIFE_SECONDS = 600.0
"""Then the page connects anew and its user is looked at anew: the session may have ended, a permission be gone."""

DENIED, GONE, RENEW, BROKEN = 4403, 4404, 4408, 1011


class BroadcastConsumer(AsyncJsonWebsocketConsumer):
    """Sends the `snapshot` of one broadcast whenever it has changed. A page that comes back gets the newest at once."""

    _looking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._looking is not None:
                self._looking.cancel()

    async def connect(self) -> None:
        if not await database_sync_to_async(may_see)(self.scope["user"]):
            await self.close(DENIED)
            return
        self._id: int = self.scope["url_route"]["kwargs"]["broadcast_id"]
        self._told = asyncio.Event()
        if self.channel_layer is not None:
            await self.channel_layer.group_add(group_of(self._id), self.channel_name)
        await self.accept()
        self._looking = asyncio.create_task(self._look(), name=f"looking at broadcast {self._id}")

    async def disconnect(self, code: int) -> None:
        if self._looking is not None and self.channel_layer is not None:
            await self.channel_layer.group_discard(group_of(self._id), self.channel_name)

    async def receive(self, *args: Any, **kwargs: Any) -> None:
        """Whatever a page says is left unread."""

    async def look(self, event: dict[str, Any]) -> None:
        """A message of the channel layer: see `telling`."""
        self._told.set()

    async def _look(self) -> None:
        try:
            code = await self._follow()
        except Exception as error:  # a lost database, a browser that has gone: the page comes again by itself
            logger.info("a progress page is cut off: %s", type(error).__name__)
            code = BROKEN
        with contextlib.suppress(OSError, RuntimeError):  # it has gone
            await self.close(code)

    async def _follow(self) -> int:
        """Why it ended."""
        shown: dict[str, Any] = {}
        until = time.monotonic() + LIFE_SECONDS
        while time.monotonic() < until:
            self._told.clear()
            try:
                seen = await database_sync_to_async(snapshot)(self._id)
            except Broadcast.DoesNotExist:
                return GONE
            if seen | {"at": 0} != shown | {"at": 0}:
                await self.send_json(seen)
                shown = seen
            await asyncio.sleep(REST_SECONDS)
            await self._wait(LOOK_SECONDS - REST_SECONDS)
        return RENEW

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return
