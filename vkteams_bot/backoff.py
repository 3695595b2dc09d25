"""How long the house waits before it tries again: exponential pauses, and the table of all of them."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential pauses with jitter, in seconds."""

    first: float = 0.5
    factor: float = 2.0
    longest: float = 30.0

    def pause(self, failures: int) -> float:
        """The pause after the n-th failure in a row (n from 1), between 0.5 and 1 of its full length."""
        full = min(self.longest, self.first * self.factor ** min(failures - 1, 32))
        return full * (0.5 + random.random() / 2)


SERVER = Backoff(first=0.5, longest=15.0)
"""A Bot API server that does not answer: asked who the bot is, polled, a request repeated, a row sent as a probe.

A blip costs half a second. A quarter of a minute is as late as a bot may notice that its server is back, and rare
enough for a server that hundreds of bots ask at once.
"""
EMPTY_POLL = Backoff(first=0.2, longest=3.0)
"""Polls that come back at once with nothing new. The server is well: a person may be writing, so it stays short."""
CALL = Backoff(first=1.0, longest=60.0)
"""A row of the outbox that waits for its next try. Each try is a request and a commit, and others wait beside it."""
DATABASE = Backoff(first=0.1, longest=2.0)
"""A lost database: everything stands still until it is back, and a refused connection costs next to nothing."""
BROKER = Backoff(first=1.0, longest=1.0)
"""A broker that refused a message. Each try may hold up a web request; the sweep finds the rows within seconds."""
CHANNEL_LAYER = Backoff(first=30.0, longest=30.0)
"""A channel layer that refused a message. Each try may hold up sending; pages look by themselves, too."""
REDIS = Backoff(first=2.0, longest=2.0)
"""The Redis of the rate limit. Probes run in a thread of their own, and every process has to be back in time."""
