"""RateLimits: how often bots may send (botapi.md §1.7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vkteams_bot.emulator.behaviour import Behaviour
from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.refusal import RateLimited
from vkteams_bot.emulator.users import BotAccount


@dataclass(slots=True)
class _Bucket:
    """`level` is how many may be sent at once, as of `time`; before `closed_until` none."""

    level: float
    time: float
    closed_until: float = 0.0


class RateLimits:
    """One for the private chats of a bot together, and one for each of its groups and channels."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def charge(self, bot: BotAccount, chat: Chat, behaviour: Behaviour) -> None:
        """Count a message. Raises RateLimited."""
        private = chat.type == "private"
        rate = behaviour.rate_limit if private else behaviour.chat_rate_limit
        if not rate:
            return
        now, capacity = self._clock(), max(1.0, rate)
        bucket = self._buckets.setdefault((bot.user_id, "" if private else chat.chat_id), _Bucket(capacity, now))
        bucket.level = min(capacity, bucket.level + max(0.0, now - bucket.time) * rate)
        bucket.time = now
        if now < bucket.closed_until:
            raise RateLimited(bucket.closed_until - now)
        if bucket.level < 1:
            bucket.closed_until = now + behaviour.ratelimit_seconds
            raise RateLimited(max(behaviour.ratelimit_seconds, (1 - bucket.level) / rate))
        bucket.level -= 1

    def clear(self) -> None:
        self._buckets.clear()
