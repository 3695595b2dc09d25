"""Calls that are written to an outbox now and sent by somebody else."""

from __future__ import annotations

import warnings
from collections.abc import Coroutine, Generator, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from vkteams_bot.api.methods import Method
from vkteams_bot.limits import Priority


class Outbox(Protocol):
    """Where `delay` writes."""

    def put(
        self, bot: Any, methods: Sequence[Method[Any]], *, due_at: datetime | None, priority: Priority
    ) -> list[UUID]:
        """Write rows, in this order; their ids. Raises InvalidCall."""

    def aput(
        self, bot: Any, methods: Sequence[Method[Any]], *, due_at: datetime | None, priority: Priority
    ) -> Coroutine[Any, Any, list[UUID]]:
        """Write as `put` does, from async code."""


class DelayNeverAwaited(RuntimeWarning):
    """Inside an event loop `.delay()` has to be awaited: nothing was written."""


class Delayed:
    """Calls that stand in the outbox. What was made inside an event loop stands there once it was awaited."""

    __slots__ = ("_ids", "_writing")

    def __init__(self, ids: Sequence[UUID] | None, writing: Coroutine[Any, Any, list[UUID]] | None = None) -> None:
        self._ids = tuple(ids) if ids is not None else None
        self._writing = writing

    def __repr__(self) -> str:
        return f"<Delayed {', '.join(map(str, self._ids))}>" if self._ids is not None else "<Delayed, not awaited>"

    @property
    def is_written(self) -> bool:
        return self._ids is not None

    @property
    def ids(self) -> tuple[UUID, ...]:
        """The rows, in the order of the calls. Raises RuntimeError before it was awaited."""
        if self._ids is None:
            raise RuntimeError("inside async code await .delay(): nothing is written yet")
        return self._ids

    @property
    def id(self) -> UUID:
        """The row of the only call. Raises ValueError when there are more or none."""
        (only,) = self.ids
        return only

    def __await__(self) -> Generator[Any, Any, Delayed]:
        writing, self._writing = self._writing, None
        if writing is not None:
            self._ids = tuple((yield from writing.__await__()))
        return self

    def __del__(self) -> None:
        writing = getattr(self, "_writing", None)
        if writing is not None:
            writing.close()
            warnings.warn(
                "calls were never written to the outbox: inside async code await .delay()",
                DelayNeverAwaited,
                stacklevel=2,
                source=self,
            )
