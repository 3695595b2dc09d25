"""A Redis script that may be out of reach: noticed once, looked for in the background, back by itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from vkteams_bot.backoff import REDIS, Backoff
from vkteams_bot.circuit_breaker import CircuitBreaker

logger = logging.getLogger("vkteams_bot.limits")


class ScriptLink:
    """Runs one script on one Redis, in any thread.

    `lost` is called when it stops answering, `probe` after each pause of `backoff` in a thread of its own, which no
    caller waits for, until it does not raise RedisError. The client has to have timeouts: they are how long a caller
    can be held up when Redis hangs.
    """

    def __init__(
        self,
        client: Redis,
        script: str,
        *,
        title: str,
        lost: Callable[[], None],
        probe: Callable[[], None],
        backoff: Backoff = REDIS,
    ) -> None:
        self._script = client.register_script(script)
        self._title = title
        self._lost = lost
        self._probe = probe
        self._lock = threading.Lock()
        self._breaker = CircuitBreaker(failures=1, backoff=backoff)
        self._prober: threading.Thread | None = None

    @property
    def is_lost(self) -> bool:
        """Redis is out of reach, as far as this process knows."""
        return self._breaker.is_open

    def run(self, keys: Sequence[str], arguments: Sequence[str | int | float]) -> list[float] | None:
        """What the script answered; None while Redis is out of reach."""
        if self.is_lost:
            self._look_for_it()
            return None
        try:
            return self.try_run(keys, arguments)
        except RedisError as error:
            self._lose(error)
            return None

    def try_run(self, keys: Sequence[str], arguments: Sequence[str | int | float]) -> list[float]:
        """The same, whatever is known. Raises RedisError."""
        answer: Any = self._script(keys=keys, args=arguments)
        return [float(number) for number in answer]

    def _lose(self, error: RedisError) -> None:
        with self._lock:
            if self.is_lost:
                return
            self._lost()  # first: from then on others ask what it prepares
            self._breaker.record_failure()
        logger.warning(
            "Redis does not answer (%s: %s): this process sends at its share of the rate limit of bot %s",
            type(error).__name__,
            error,
            self._title,
        )
        self._look_for_it()

    def _look_for_it(self) -> None:
        # In the child of a fork the thread is gone.
        if self._prober is None or not self._prober.is_alive():
            with self._lock:
                if self.is_lost and (self._prober is None or not self._prober.is_alive()):
                    self._prober = threading.Thread(target=self._probe_until_back, name="rate limit", daemon=True)
                    self._prober.start()

    def _probe_until_back(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._breaker.pause_left):
            try:
                self._probe()
            except RedisError as error:
                self._breaker.record_failure()
                logger.debug("Redis is not back: %s", error)
                continue
            with self._lock:
                self._breaker.record_success()
                self._prober = None
            logger.info("Redis answers again: all processes of bot %s share its rate limit", self._title)
            return
