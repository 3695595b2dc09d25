"""What becomes of an event in routing, and how a handler may steer it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

from vkteams_bot.api.methods import Method


class SkipHandler(Exception):
    """Raised by a handler or filter: go on with the next handler. State it has changed stays changed."""


class CancelHandler(Exception):
    """Raised anywhere: stop here. The event counts as handled; nothing is sent, changed state is kept."""


class _Unhandled(enum.Enum):
    UNHANDLED = enum.auto()

    def __repr__(self) -> str:
        return "UNHANDLED"


UNHANDLED: Final = _Unhandled.UNHANDLED
"""What a middleware gets when no handler took the event."""


class Status(enum.StrEnum):
    HANDLED = "handled"
    UNHANDLED = "unhandled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Dispatched:
    """The outcome of one event. `handler` is `module:qualname`; `error` stands when it FAILED.

    Replies of a failed event are those of its error handler.
    """

    status: Status
    replies: tuple[Method[Any], ...] = ()
    error: BaseException | None = None
    handler: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """What an error handler gets: the exception, and the event that met it."""

    exception: Exception
    event: Any
