"""From the process that sends to the pages that watch: "look", through the channel layer."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterable
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer

from vkteams_bot.backoff import CHANNEL_LAYER
from vkteams_bot.circuit_breaker import CircuitBreaker
from vkteams_bot.signals import outbox_progress

logger = logging.getLogger("vkteams_bot.live")


def group_of(broadcast_id: int) -> str:
    """The group of the channel layer in which the pages of a broadcast are."""
    return f"vkteams_bot.broadcast.{broadcast_id}"


class PageNotifier:
    """Tells pages to look. Sending waits at most `patience` seconds for a channel layer that hangs.

    A layer that failed is left alone for a while: pages look by themselves, too.
    """

    def __init__(self, *, patience: float = 1.0, breaker: CircuitBreaker | None = None) -> None:
        self._patience = patience
        self._breaker = breaker or CircuitBreaker(failures=1, backoff=CHANNEL_LAYER)

    def notify(self, broadcast_ids: Iterable[int], **_: Any) -> None:
        """Let the pages of these broadcasts look. Never raises for the channel layer."""
        layer = get_channel_layer()
        # One in memory reaches its own process and loop only, where pages look by themselves.
        if layer is None or isinstance(layer, InMemoryChannelLayer) or not self._breaker.allows():
            return
        try:
            async_to_sync(self._send)(layer, broadcast_ids)
        except Exception as error:
            # Whatever the library of a layer raises, the messages are on their way, and their results have to be
            # written. The traceback goes without the error's text, which may hold the password of a layer's address.
            if self._breaker.record_failure():
                trace = "".join(traceback.format_tb(error.__traceback__))
                logger.warning("pages cannot be told of progress: %s\n%s", type(error).__name__, trace)
        else:
            if self._breaker.record_success():
                logger.info("pages are told of progress again")

    async def _send(self, layer: Any, broadcast_ids: Iterable[int]) -> None:
        async with asyncio.timeout(self._patience):
            for broadcast_id in broadcast_ids:
                await layer.group_send(group_of(broadcast_id), {"type": "look"})


pages = PageNotifier()
outbox_progress.connect(pages.notify)
