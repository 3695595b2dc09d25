"""A method bound to a bot, not sent yet; and the typed facade that makes such calls."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Generator
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from pydantic import ValidationError

from vkteams_bot.api.methods import Method
from vkteams_bot.exceptions import InvalidCall

P = ParamSpec("P")
R = TypeVar("R")


class Executor(Protocol):
    async def execute(self, method: Method[R]) -> R: ...
    def execute_sync(self, method: Method[R]) -> R: ...


class CallNeverSent(RuntimeWarning):
    """A call was made and then dropped: await it, `.send()` it, or return it from the handler."""


class Call(Generic[R]):
    """`await call` sends it now; `call.send()` does so from synchronous code; a handler may return it."""

    __slots__ = ("_taken", "bot", "method")

    def __init__(self, bot: Executor, method: Method[R]) -> None:
        self.bot = bot
        self.method = method
        self._taken = False

    def __repr__(self) -> str:
        return f"<Call {self.method.path}>"

    def __await__(self) -> Generator[Any, Any, R]:
        return self.bot.execute(self.take()).__await__()

    def send(self) -> R:
        """Send now and wait for the result. Raises CallError; RuntimeError inside a running event loop."""
        return self.bot.execute_sync(self.take())

    def take(self) -> Method[R]:
        """The method value; whoever takes it sees to its sending."""
        self._taken = True
        return self.method

    def __del__(self) -> None:
        if not getattr(self, "_taken", True):
            warnings.warn(
                f"{self!r} was never sent: await it, .send() it or return it", CallNeverSent, stacklevel=2, source=self
            )


class Endpoint(Generic[P, R]):
    """One line of the facade: `send_text = Endpoint(SendText)`. It has the docstring and signature of its method."""

    def __init__(self, make: Callable[P, Method[R]]) -> None:
        def call(bot: Executor, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
            try:
                return Call(bot, make(*args, **kwargs))
            except ValidationError as error:
                raise InvalidCall(_explain(error, make)) from None

        bot = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        signature = inspect.signature(make)
        call.__doc__ = make.__doc__
        call.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[bot, *signature.parameters.values()], return_annotation=Call
        )
        self.make = make
        self._call = call

    def __set_name__(self, owner: type, name: str) -> None:
        self._call.__name__ = name
        self._call.__qualname__ = f"{owner.__qualname__}.{name}"

    @overload
    def __get__(self, bot: None, owner: type) -> Callable[Concatenate[Any, P], Call[R]]: ...
    @overload
    def __get__(self, bot: Executor, owner: type) -> Callable[P, Call[R]]: ...
    def __get__(self, bot: Executor | None, owner: type) -> Callable[..., Call[R]]:
        return self._call if bot is None else MethodType(self._call, bot)


def _explain(error: ValidationError, make: Callable[..., Any]) -> str:
    """Which parameter is wrong and why, without its value: that may be a person's text."""
    parameters = inspect.signature(make).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    problems = []
    for item in error.errors(include_input=False, include_url=False):
        where = item["loc"][0] if item["loc"] else ""
        message = item["msg"].removeprefix("Value error, ")
        if isinstance(where, int):
            where = names[where] if where < len(names) else f"parameter {where + 1}"
        problems.append(f"{where}: {message}" if where else message)
    return f"{error.title}: {'; '.join(problems)}"
