"""An observer: the handlers and middleware of one kind of event in one router."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing.filters.base import Filter, as_filter
from vkteams_bot.routing.filters.errors import ExceptionTypeFilter
from vkteams_bot.routing.injection import describe
from vkteams_bot.routing.middleware import MiddlewareList

H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Declaration:
    """A handler as registered."""

    callback: Callable[..., Any]
    filters: tuple[Filter, ...]
    flags: Mapping[str, Any]


class Observer:
    """`@router.message(*filters, flags={...})` registers a handler. The first that fits gets the event."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.handlers: list[Declaration] = []
        self.middleware = MiddlewareList()
        self.outer_middleware = MiddlewareList()
        self._unused: dict[object, str] = {}

    def __call__(self, *filters: Any, flags: Mapping[str, Any] | None = None) -> Callable[[H], H]:
        checked = tuple(map(self._as_filter, filters))
        caller = sys._getframe(1)
        token = object()
        self._unused[token] = f"{caller.f_code.co_filename}:{caller.f_lineno}"

        def decorate(handler: H) -> H:
            self._unused.pop(token, None)
            return self._add(handler, checked, flags)

        return decorate

    def register(self, handler: H, *filters: Any, flags: Mapping[str, Any] | None = None) -> H:
        """Register a handler as the decorator does."""
        return self._add(handler, tuple(map(self._as_filter, filters)), flags)

    def check_complete(self) -> None:
        """Raise ConfigurationError when a decorator was written without parentheses, so that it registered nothing."""
        for place in self._unused.values():
            raise ConfigurationError(
                f"{place}: write @router.{self.name}() with parentheses; this registers no handler"
            )

    def _add(self, handler: H, filters: tuple[Filter, ...], flags: Mapping[str, Any] | None) -> H:
        if not callable(handler) or isinstance(handler, type):
            raise ConfigurationError(f"{handler!r} is not a handler")
        declaration = Declaration(handler, filters, MappingProxyType(dict(flags or {})))
        _check_timeout(declaration)
        self.handlers.append(declaration)
        return handler

    def _as_filter(self, value: Any) -> Filter:
        return as_filter(value)


class ErrorObserver(Observer):
    """Takes exception types as filters, too."""

    def _as_filter(self, value: Any) -> Filter:
        if isinstance(value, type) and issubclass(value, BaseException):
            return ExceptionTypeFilter(value)
        return as_filter(value)


def _check_timeout(declaration: Declaration) -> None:
    timeout = declaration.flags.get("timeout")
    if timeout is None or (isinstance(timeout, int | float) and not isinstance(timeout, bool) and timeout > 0):
        return
    raise ConfigurationError(
        f"{describe(declaration.callback)}: the flag `timeout` is {timeout!r}; give seconds, or None for no end"
    )
