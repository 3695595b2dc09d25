"""Middleware: a callable around a callable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar, overload

from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing.injection import describe_with_line, is_async
from vkteams_bot.routing.run import EventData

Handler: TypeAlias = Callable[[Any, EventData], Awaitable[Any]]
Middleware: TypeAlias = Callable[[Handler, Any, EventData], Awaitable[Any]]

M = TypeVar("M", bound=Callable[..., Any])
F = TypeVar("F", bound=Callable[..., Any])


class BaseMiddleware(ABC):
    """Middleware as a class. `provides` names what it puts into the data for handlers to ask for."""

    provides: tuple[str, ...] = ()

    @abstractmethod
    async def __call__(self, handler: Handler, event: Any, data: EventData) -> Any:
        """Call `handler(event, data)`, or do not, and return its result or another.

        None leaves the handler's result as it is.
        """


def provides(*names: str) -> Callable[[F], F]:
    """Declare what a middleware or filter function puts into the data."""

    def declare(function: F) -> F:
        function.provides = names  # type: ignore[attr-defined]
        return function

    return declare


class MiddlewareList:
    """Registered middleware, first = outermost. Call it to register; it works as a decorator too."""

    def __init__(self) -> None:
        self._middleware: list[Middleware] = []

    @overload
    def __call__(self, middleware: M) -> M: ...
    @overload
    def __call__(self) -> Callable[[M], M]: ...
    def __call__(self, middleware: Any = None) -> Any:
        if middleware is None:
            return self
        if isinstance(middleware, type) or not callable(middleware) or not is_async(middleware):
            what = describe_with_line(middleware) if callable(middleware) else repr(middleware)
            raise ConfigurationError(
                f"{what} is not a middleware: register an `async def (handler, event, data)` or an instance of a class"
            )
        self._middleware.append(middleware)
        return middleware

    def __iter__(self) -> Iterator[Middleware]:
        return iter(self._middleware)

    def __len__(self) -> int:
        return len(self._middleware)


def provided_by(middleware: Iterable[Middleware]) -> frozenset[str]:
    return frozenset(name for layer in middleware for name in getattr(layer, "provides", ()))


def compose(middleware: Iterable[Middleware], handler: Handler) -> Handler:
    """The handler with all of them around it, the first outermost."""
    for layer in reversed(tuple(middleware)):
        handler = _around(layer, handler)
    return handler


_NOT_CALLED = object()


def _around(middleware: Middleware, handler: Handler) -> Handler:
    async def call(event: Any, data: EventData) -> Any:
        inner_result: Any = _NOT_CALLED

        async def inner(event: Any, data: EventData) -> Any:
            nonlocal inner_result
            inner_result = await handler(event, data)
            return inner_result

        result = await middleware(inner, event, data)
        # Replies are returned: a middleware that forgets `return` must not swallow them.
        return inner_result if result is None and inner_result is not _NOT_CALLED else result

    return call
