"""One rate limit for all processes of a bot, counted in Redis."""

from __future__ import annotations

import math
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from redis import Redis

from vkteams_bot.backoff import REDIS, Backoff
from vkteams_bot.limits.bucket import (
    LOWERING_SECONDS,
    PAUSE_SECONDS,
    RECOVERY_SECONDS,
    ROUNDING,
    SLOWEST,
    LocalLimiter,
)
from vkteams_bot.limits.link import ScriptLink
from vkteams_bot.limits.policy import Granted, RatePolicy, Share, paused
from vkteams_bot.limits.priority import Priority

PAUSE_LOOK_SECONDS = 0.1
"""A process that asks for nothing else looks this often for a pause that another one was told."""
BEAT_SECONDS = 5.0
KEPT_SECONDS = 60.0
"""How long Redis keeps what does not matter any more, and counts a process that asks for nothing."""
PROCESSES_ASSUMED = 4
"""Between so many a process shares the limit when Redis never told it how many there are."""

_CONSTANTS = {
    "PAUSE_SECONDS": PAUSE_SECONDS,
    "RECOVERY_SECONDS": RECOVERY_SECONDS,
    "LOWERING_SECONDS": LOWERING_SECONDS,
    "SLOWEST": SLOWEST,
    "ROUNDING": ROUNDING,
    "KEPT_SECONDS": KEPT_SECONDS,
}
SCRIPT = "".join(f"local {name} = {value!r}\n" for name, value in _CONSTANTS.items()) + (
    Path(__file__).with_name("turns.lua").read_text(encoding="utf-8")
)


class SharedLimiter:
    """A Limiter that counts in Redis, for all processes that give the same `key`. It never raises RedisError.

    While Redis is out of reach each process sends at its share of the limits, without bursts. `client` has to have
    timeouts: they are how long a caller can be held up when Redis hangs. `title` names the bot in the log, `backoff`
    says how often Redis is looked for.
    """

    def __init__(
        self,
        policy: RatePolicy,
        client: Redis,
        *,
        key: str,
        title: str = "default",
        backoff: Backoff = REDIS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy = policy
        self._clock = clock
        self._prefix = f"{{vkteams:{key}}}"
        self._member = secrets.token_hex(8)
        self._interval = 1 / policy.rate if policy.rate else 0
        self._chat_interval = 1 / policy.chat_rate if policy.chat_rate else 0
        self._paused_until = float("-inf")
        self._look_at = float("-inf")
        self._beat_at = float("-inf")
        self._processes = PROCESSES_ASSUMED
        # After the first process found Redis again the others have this long to find it too; then all share again.
        self._return_seconds = 1.5 * backoff.longest
        self._link = ScriptLink(
            client, SCRIPT, title=title, lost=self._go_alone, probe=self._come_back, backoff=backoff
        )
        self._go_alone()

    def reserve(self, chat_id: str | None, longest_pause: float = math.inf) -> float:
        if self._unlimited(chat_id):
            wait = self.pause_left()
            is_taken = wait <= longest_pause
        else:
            answer = self._ask("reserve", longest_pause if longest_pause < math.inf else "", chats=self._chats(chat_id))
            if answer is None:
                return self._alone.reserve(chat_id, longest_pause)
            wait, is_taken = answer[0], answer[1] == 1
        if not is_taken:
            raise paused(wait)
        return wait

    def try_take(self, chat_id: str | None) -> bool:
        if self._unlimited(chat_id):
            return self.pause_left() == 0
        answer = self._ask("try_take", chats=self._chats(chat_id))
        return answer[0] == 1 if answer is not None else self._alone.try_take(chat_id)

    def take(self, count: int, priority: Priority, share: Share | None = None) -> Granted:
        if not self._interval:
            left = self.pause_left()
            return Granted(0, left) if left else Granted(count)
        answer = self._ask("take", count, room=self.policy.room(priority), share=share)
        return Granted(int(answer[0]), answer[1]) if answer is not None else self._alone.take(count, priority, share)

    def give_back(self, count: int, share: Share | None = None) -> None:
        if self._interval and count and self._ask("give_back", count, share=share) is None:
            self._alone.give_back(count, share)

    def take_chats(self, chat_ids: Sequence[str]) -> list[float]:
        if not self._chat_interval or not chat_ids:
            return [0.0] * len(chat_ids)
        answer = self._ask("take_chats", chats=chat_ids)
        return answer if answer is not None else self._alone.take_chats(chat_ids)

    def pause(self, seconds: float | None = None) -> None:
        if self._ask("pause", seconds if seconds is not None else "") is None:
            self._alone.pause(seconds)

    def pause_left(self) -> float:
        if self._clock() >= self._look_at and self._ask("look") is None:
            return self._alone.pause_left()
        return max(0.0, self._paused_until - self._clock())

    def _unlimited(self, chat_id: str | None) -> bool:
        return not self._interval and (chat_id is None or not self._chat_interval)

    def _chats(self, chat_id: str | None) -> tuple[str, ...]:
        return (chat_id,) if chat_id is not None and self._chat_interval else ()

    def _ask(
        self,
        operation: str,
        amount: float | str = "",
        *,
        room: int = 0,
        chats: Sequence[str] = (),
        share: Share | None = None,
    ) -> list[float] | None:
        """None while Redis is out of reach."""
        answer = self._link.run(*self._call(operation, amount, room, chats, share))
        return self._heard(answer) if answer is not None else None

    def _call(
        self,
        operation: str,
        amount: float | str = "",
        room: int = 0,
        chats: Sequence[str] = (),
        share: Share | None = None,
    ) -> tuple[list[str], list[str | int | float]]:
        keys = [f"{self._prefix}:{name}" for name in ("turns", "processes", "return")]
        every, burst = self._chat_interval, self.policy.chat_burst
        if share is not None:
            keys.append(f"{self._prefix}:share:{share.name}")
            every, burst = self._interval / share.part, self.policy.share_burst(share)
        keys += [f"{self._prefix}:chat:{chat_id}" for chat_id in chats]
        now = self._clock()
        member = ""
        if now >= self._beat_at:
            self._beat_at = now + BEAT_SECONDS
            member = f"{self._member}:{os.getpid()}"  # after a fork there are two
        return keys, [operation, amount, self._interval, self.policy.burst, room, every, burst, member]

    def _heard(self, answer: list[float]) -> list[float]:
        pause_left, processes, *rest = answer
        now = self._clock()
        self._paused_until = now + pause_left if pause_left else float("-inf")
        self._look_at = now + PAUSE_LOOK_SECONDS
        self._processes = max(1, int(processes))
        return rest

    def _go_alone(self) -> None:
        policy = self.policy
        alone = LocalLimiter(
            replace(
                policy,
                rate=policy.rate and policy.rate / self._processes,
                burst=1,
                chat_rate=policy.chat_rate and policy.chat_rate / self._processes,
            ),
            clock=self._clock,
        )
        alone.reserve(None)  # Redis may just have granted the turns of this moment
        self._alone = alone
        self._look_at = float("-inf")

    def _come_back(self) -> None:
        self._beat_at = float("-inf")
        _, _, seconds = self._link.try_run(*self._call("gather", self._return_seconds))
        time.sleep(seconds)
        pause = self._alone.pause_left()
        self._heard(self._link.try_run(*(self._call("pause", pause) if pause else self._call("empty"))))
