"""What routing remembers while it works on one event."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeAlias

EventData: TypeAlias = dict[str, Any]
Provider: TypeAlias = Callable[[EventData], Awaitable[Any]]

RUN = "_run"
"""Its key in the event data. Private: handlers never get it."""


class Run:
    """`handler` is the step chosen, `place` the router where `error` came up, `ended_in` the one whose middleware
    answered (plans.py).

    `words` is the command line of `words_event`, once parsed.
    """

    __slots__ = (
        "_cancellations",
        "_provided",
        "_providers",
        "ended_in",
        "error",
        "handler",
        "place",
        "timed_out",
        "words",
        "words_event",
    )

    def __init__(self, providers: Mapping[str, Provider], provided: dict[str, Any] | None = None) -> None:
        self._providers = providers
        self._provided = provided
        self.handler: Any = None
        self.error: Exception | None = None
        self.place: Any = None
        self.ended_in: Any = None
        self.words: Any = None
        self.words_event: Any = None
        self.timed_out = 0.0
        """The seconds after which it was given up; 0: it was not."""
        self._cancellations = 0

    def give_up(self, task: asyncio.Task[Any], seconds: float) -> None:
        """From outside: end what runs in this task, after so many seconds. It may swallow that; then again."""
        self.timed_out = seconds
        self._cancellations += 1
        task.cancel()

    def withdraw(self, task: asyncio.Task[Any] | None) -> bool:
        """In the task: what was to be ended has heard of it; False: nobody wanted it to end."""
        if not self._cancellations or task is None:
            return False
        while self._cancellations:
            self._cancellations -= 1
            task.uncancel()
        return True

    def failed(self, error: Exception, place: Any) -> None:
        """Note where an error came up; the first place that reports it is the nearest."""
        if self.error is not error:
            self.error, self.place = error, place

    async def provide(self, names: Collection[str], data: EventData) -> None:
        """Put provided values into `data`; each provider is awaited once for the event."""
        if self._provided is None:
            self._provided = {}
        for name in names:
            if name not in data:
                if name not in self._provided:
                    self._provided[name] = await self._providers[name](data)
                data[name] = self._provided[name]

    def again(self) -> Run:
        """A run for the error handlers of the same event."""
        if self._provided is None:
            self._provided = {}
        return Run(self._providers, self._provided)
