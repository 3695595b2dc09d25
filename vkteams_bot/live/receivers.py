"""From the process that sends to the pages that watch: "look", through the channel layer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.dispatch import receiver

from vkteams_bot.signals import outbox_progress

logger = logging.getLogger("vkteams_bot.live")

PATIENCE_SECONDS = 1.0
"""Sending does not wait longer for a channel layer that hangs."""
QUIET_SECONDS = 30.0
"""One that failed is not tried again for so long: pages look by themselves, too."""

_away_until = 0.0


def group_of(broadcast_id: int) -> str:
    """The group of the channel layer in which the pages of a broadcast are."""
    return f"vkteams_bot.broadcast.{broadcast_id}"


@receiver(outbox_progress)
def tell(broadcast_ids: Iterable[int], **_: Any) -> None:
    """Let the pages of these broadcasts look. Never raises for the channel layer."""
    global _away_until
    layer = get_channel_layer()
    # One in memory reaches its own process and loop only, where pages look by themselves.
    if layer is None or isinstance(layer, InMemoryChannelLayer) or time.monotonic() < _away_until:
        return
    try:
        async_to_sync(_tell)(layer, broadcast_ids)
    except Exception as error:  # whatever the library of a layer raises, the messages are on their way
        _away_until = time.monotonic() + QUIET_SECONDS
        logger.warning("pages cannot be told of progress: %s", type(error).__name__)


async def _tell(layer: Any, broadcast_ids: Iterable[int]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        for broadcast_id in broadcast_ids:
            await layer.group_send(group_of(broadcast_id), {"type": "look"})
