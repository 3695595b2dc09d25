"""The watchdog looks at the last completed poll round trip, not at the last event."""

from __future__ import annotations

import asyncio
import time

from vkteams_bot.runtime.poller import BACKOFF, Poller

MARGIN_SECONDS = 60.0


class PollingStuck(RuntimeError):
    """No poll came back for far longer than it may take."""


async def watch(poller: Poller, poll_seconds: float, timeout_seconds: float) -> None:
    """For ever. Raises PollingStuck, so that the process ends and its supervisor starts another."""
    limit = poll_seconds + 2 * timeout_seconds + BACKOFF.longest + MARGIN_SECONDS
    while True:
        await asyncio.sleep(min(limit / 4, 15))
        silent = time.monotonic() - poller.last_round_trip
        if silent > limit and not poller.paused:
            raise PollingStuck(f"no poll came back for {silent:.0f} s")
