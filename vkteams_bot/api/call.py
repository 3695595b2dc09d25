"""A method bound to a bot, not sent yet; and the typed facade that makes such calls."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime, timedelta
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from pydantic import ValidationError

from vkteams_bot.api.delayed import Delayed, Outbox
from vkteams_bot.api.methods import Method
from vkteams_bot.exceptions import ConfigurationError, InvalidCall
from vkteams_bot.limits import Priority

P = ParamSpec("P")
R = TypeVar("R")

NO_OUTBOX = (
    'only bots of Django settings have an outbox: put "vkteams_bot" into INSTALLED_APPS and use vkteams_bot.bots; '
    "here await the call, or .send() it"
)


class Executor(Protocol):
    async def execute(self, method: Method[R]) -> R: ...
    def execute_sync(self, method: Method[R]) -> R: ...
    @property
    def outbox(self) -> Outbox | None: ...


def in_event_loop() -> bool:
    """Whether this is async code, which must not wait for a synchronous call."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def delay(
    bot: Executor, methods: Sequence[Method[Any]], at: datetime | timedelta | None, priority: Priority
) -> Delayed:
    """Write to the outbox now, or when awaited if a loop runs here. Raises ConfigurationError, InvalidCall."""
    outbox = bot.outbox
    if outbox is None:
        raise ConfigurationError(NO_OUTBOX)
    if isinstance(at, timedelta):
        at = datetime.now(UTC) + at
    elif at is not None and at.utcoffset() is None:
        raise InvalidCall("`at` needs a time zone: a naive datetime may mean several moments")
    if in_event_loop():
        return Delayed(None, outbox.aput(bot, methods, due_at=at, priority=priority))
    return Delayed(outbox.put(bot, methods, due_at=at, priority=priority))


class CallNeverSent(RuntimeWarning):
    """A call was made and then dropped: await it, `.send()` or `.delay()` it, or return it from the handler."""


class Call(Generic[R]):
    """`await call` sends it now, `call.send()` does so from synchronous code.

    `call.delay()` lets `runbot` or a worker send it. A handler may return it.
    """

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

    def delay(self, *, at: datetime | timedelta | None = None, priority: Priority = Priority.NOTIFICATION) -> Delayed:
        """Write it to the outbox, in the caller's transaction; `runbot` or a Celery worker sends it, not before `at`.

        Inside a running event loop await what this returns. Raises InvalidCall for a naive `at` and for a file that no
        row can hold, ConfigurationError for a bot without Django.
        """
        return delay(self.bot, [self.take()], at, priority)

    def take(self) -> Method[R]:
        """The method value; whoever takes it sees to its sending."""
        self._taken = True
        return self.method

    def __del__(self) -> None:
        if not getattr(self, "_taken", True):
            warnings.warn(
                f"{self!r} was never sent: await it, .send() or .delay() it, or return it",
                CallNeverSent,
                stacklevel=2,
                source=self,
            )


class Endpoint(Generic[P, R]):
    """One line of the facade: `send_text = Endpoint(SendText)`. It has the docstring and signature of its method."""

    def __init__(self, make: Callable[P, Method[R]]) -> None:
        def call(bot: Executor, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
            try:
                method = make(*args, **kwargs)
            except ValidationError as error:
                raise InvalidCall(_explain(error, make)) from None
            method.check()
            return Call(bot, method)

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
