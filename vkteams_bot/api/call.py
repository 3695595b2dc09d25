"""A method bound to a bot, not sent yet; and the typed facade that makes such calls."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Generator
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
    """One line of the facade: `send_text = Endpoint(SendText)`."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[P, Method[R]]) -> None:
        self.make = make

    @overload
    def __get__(self, bot: None, owner: type) -> Callable[Concatenate[Any, P], Call[R]]: ...
    @overload
    def __get__(self, bot: Executor, owner: type) -> Callable[P, Call[R]]: ...
    def __get__(self, bot: Executor | None, owner: type) -> Callable[..., Call[R]]:
        if bot is None:
            return self._call
        return functools.partial(self._call, bot)

    def _call(self, bot: Executor, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        try:
            return Call(bot, self.make(*args, **kwargs))
        except ValidationError as error:
            raise InvalidCall(_explain(error, self.make)) from None


def _explain(error: ValidationError, make: Callable[..., Any]) -> str:
    """Which parameter is wrong and why, without its value: that may be a person's text."""
    names = list(inspect.signature(make).parameters)
    problems = []
    for item in error.errors(include_input=False, include_url=False):
        where = item["loc"][:1]
        name = names[where[0]] if where and isinstance(where[0], int) else ".".join(map(str, where))
        problems.append(f"{name}: {item['msg']}" if name else item["msg"].removeprefix("Value error, "))
    return f"{error.title}: {'; '.join(problems)}"
