"""Filter of error handlers."""

from __future__ import annotations

from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing.dispatched import ErrorEvent
from vkteams_bot.routing.filters.base import BaseFilter


class ExceptionTypeFilter(BaseFilter):
    """The exception is one of these types."""

    def __init__(self, *types: type[BaseException]) -> None:
        if not types:
            raise ConfigurationError("ExceptionTypeFilter needs an exception type")
        self.types = types

    def __call__(self, event: ErrorEvent) -> bool:
        return isinstance(event.exception, self.types)
