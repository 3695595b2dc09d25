"""What is allowed, and the face of whatever counts it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vkteams_bot.exceptions import RateLimited
from vkteams_bot.limits.priority import Priority


@dataclass(frozen=True, slots=True)
class Share:
    """All that is taken under one `name` together gets at most this `part` (above 0, up to 1) of the bot's rate."""

    name: str
    part: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePolicy:
    """At most `rate` requests per second sustained, `burst` at once; None = no limit."""

    rate: float | None = None
    burst: int = 5
    chat_rate: float | None = None
    chat_burst: int = 1

    def __post_init__(self) -> None:
        for name in ("rate", "chat_rate"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, or None for no limit")
        if self.burst < 1 or self.chat_burst < 1:
            raise ValueError("burst must be at least 1")

    def room(self, priority: Priority) -> int:
        """How much of the burst calls of this priority may use; the rest is kept free for those before them.

        Bulk leaves half or more, notifications a quarter or less; with a burst of 1 there is nothing to leave.
        """
        if priority is Priority.BULK:
            return self.burst - min((self.burst + 1) // 2, self.burst - 1)
        return self.burst - self.burst // 4 if priority is Priority.NOTIFICATION else self.burst

    def share_burst(self, share: Share) -> int:
        return max(1, int(self.room(Priority.BULK) * share.part))


@dataclass(frozen=True, slots=True)
class Granted:
    """`count` turns are free now; when there are none, the first may come in `wait` seconds."""

    count: int
    wait: float = 0.0


class Limiter(Protocol):
    """Grants turns. Waiting happens outside, so that one waiter never blocks another.

    A single call takes its turn by `reserve` or `try_take` and goes before all that is taken in batches.
    """

    def reserve(self, chat_id: str | None, longest_pause: float = math.inf) -> float:
        """Take the next turn; return the seconds to wait for it (0 = now).

        Raises RateLimited, and takes none, while a pause of more than `longest_pause` seconds is left.
        """

    def try_take(self, chat_id: str | None) -> bool:
        """Take a turn only if it is free now."""

    def take(self, count: int, priority: Priority, share: Share | None = None) -> Granted:
        """Take up to `count` turns that are free now for this priority, without asking for chats: see `take_chats`."""

    def give_back(self, count: int, share: Share | None = None) -> None:
        """Give back `count` turns that `take` granted and nobody used."""

    def take_chats(self, chat_ids: Sequence[str]) -> list[float]:
        """Take the own turn of each chat for which `take` granted one.

        Return for each 0, or how many seconds to wait where it is not free now.
        """

    def pause(self, seconds: float | None = None) -> None:
        """The server refused for the rate: nobody starts for `seconds`, and the rate is lowered until it recovers.

        None = the server did not say how long: 1 s, and longer when that was not enough.
        """

    def pause_left(self) -> float:
        """Seconds until the pause ends. A turn that comes up in a pause has to be taken anew."""


def paused(seconds: float) -> RateLimited:
    """The error of a call that does not wait for the end of a pause."""
    return RateLimited(
        f"the server asked for a pause, of which {seconds:.0f} s are left",
        retry_after=seconds,
        hint="Nothing was sent: repeat it after that time, or .delay() it and a worker does so",
    )
