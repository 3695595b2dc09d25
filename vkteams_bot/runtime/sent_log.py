"""Logging what handlers send, with the next grouped commit."""

from __future__ import annotations

import asyncio
from typing import Any

from django.utils import timezone

from vkteams_bot.api import Bot, Method
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.stores import log
from vkteams_bot.stores.bot_store import Changes


class CommittedSentLog:
    """Hands lines of the chat log to the committer, from the loop or from a handler's thread."""

    def __init__(self, committer: Committer, loop: asyncio.AbstractEventLoop) -> None:
        self._committer = committer
        self._loop = loop

    def sent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        self._loop.call_soon_threadsafe(self._committer.add, self._changes(method, result))

    async def asent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        self._committer.add(self._changes(method, result))

    def _changes(self, method: Method[Any], result: Any) -> Changes:
        return Changes(log=log.outgoing(method, result, timezone.now()))
