"""Gives a handler, filter or error handler the parameters it declares. The signature is read once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, NoReturn, TypeAlias

from asgiref.sync import iscoroutinefunction

from vkteams_bot.exceptions import ConfigurationError, RoutingError
from vkteams_bot.routing.run import RUN, EventData

Invoke: TypeAlias = Callable[[Any, EventData], Any]

BASE_NAMES = frozenset({"bot", "event", "event_type", "flags", "raw_event", "state"})
"""Names that every handler may ask for; filters may, too, but for `flags`."""

WHOLE_DATA = "event_data"
"""The name that stands for the dict of all of them."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which names are known at some point of an event's way. `names=None`: unknown, so nothing is refused."""

    owner: str
    names: frozenset[str] | None = None
    providers: frozenset[str] = frozenset()

    def plus(self, names: Collection[str]) -> Scope:
        return self if self.names is None else replace(self, names=self.names | frozenset(names))


@dataclass(frozen=True, slots=True)
class Binding:
    """`invoke(event, data)` calls the function with what it declares. `provided` must be in `data` by then."""

    invoke: Invoke
    is_async: bool
    provided: tuple[str, ...]


def bind(function: Callable[..., Any], scope: Scope) -> Binding:
    """Read the signature. Raises ConfigurationError for a parameter that nothing provides."""
    signature = _Signature.of(function, scope.owner)
    if scope.names is not None:
        known = scope.names | scope.providers
        for name in signature.required:
            if name not in known and name != WHOLE_DATA:
                _refuse(name, known, scope)
    provided = tuple(name for name in (*signature.required, *signature.optional) if name in scope.providers)
    return Binding(signature.invoker(function, scope.owner), is_async(function), provided)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine: functions, methods, partials and objects with `async __call__`."""
    return iscoroutinefunction(unwrapped(function)) or iscoroutinefunction(code_of(function))


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    return function


def code_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that runs: of an object its `__call__`."""
    target = unwrapped(function)
    call: Callable[..., Any] = type(target).__call__
    return target if inspect.isroutine(target) else call


def describe(function: Callable[..., Any]) -> str:
    """`module:qualname`."""
    target = unwrapped(function)
    if not hasattr(target, "__qualname__"):
        target = type(target)
    return f"{target.__module__}:{target.__qualname__}"


def describe_with_line(function: Callable[..., Any]) -> str:
    """`module:qualname (file:line)`."""
    code = getattr(inspect.unwrap(code_of(function)), "__code__", None)
    place = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return describe(function) + place


@dataclass(frozen=True, slots=True)
class _Signature:
    takes_event: bool
    positional: tuple[str, ...]
    keywords: tuple[str, ...]
    optional: tuple[str, ...]
    takes_rest: bool
    taken: frozenset[str]

    @property
    def required(self) -> tuple[str, ...]:
        return (*self.positional, *self.keywords)

    @classmethod
    def of(cls, function: Callable[..., Any], owner: str) -> _Signature:
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            # Builtins without a signature take the event.
            return cls(True, (), (), (), False, frozenset())
        bound = _bound_by_partial(function)
        takes_event = bool(parameters) and parameters[0].kind in (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL)
        first = parameters.pop(0) if takes_event else None
        if first is not None and first.kind in _POSITIONAL and first.name in BASE_NAMES - {"event"}:
            raise ConfigurationError(
                f"{owner}: the first parameter gets the event, but is called {first.name!r}; put one before it"
            )
        positional: list[str] = []
        keywords: list[str] = []
        optional: list[str] = []
        in_a_row = True
        takes_rest = False
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                takes_rest = True
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL or parameter.name in bound:
                in_a_row = False
            elif parameter.default is not inspect.Parameter.empty and parameter.name != WHOLE_DATA:
                in_a_row = False
                if parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
                    optional.append(parameter.name)
            elif in_a_row and parameter.kind in _POSITIONAL:
                positional.append(parameter.name)
            else:
                keywords.append(parameter.name)
        taken = {RUN, *bound, *(parameter.name for parameter in parameters)}
        if first is not None and first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            taken.add(first.name)
        return cls(takes_event, tuple(positional), tuple(keywords), tuple(optional), takes_rest, frozenset(taken))

    def invoker(self, function: Callable[..., Any], owner: str) -> Invoke:
        """The shortest way to make the call."""
        if not inspect.isroutine(function) and not isinstance(function, type | functools.partial):
            # A bound method is called faster than its object.
            function = getattr(function, "__call__", function)  # noqa: B004
        simple = self.takes_event and not self.keywords and not self.optional and not self.takes_rest
        if simple and not self.positional:
            return lambda event, data: function(event)
        if simple and self.positional == (WHOLE_DATA,):
            return function
        if simple and WHOLE_DATA not in self.positional:
            return _positional_invoker(function, self.positional, owner)
        return self._general_invoker(function, owner)

    def _general_invoker(self, function: Callable[..., Any], owner: str) -> Invoke:
        def invoke(event: Any, data: EventData) -> Any:
            named = {**data, WHOLE_DATA: data}
            try:
                positional = [named[name] for name in self.positional]
                keywords = {name: named[name] for name in self.keywords}
            except KeyError as missing:
                _missing(missing.args[0], owner)
            for name in self.optional:
                if name in data:
                    keywords[name] = data[name]
            if self.takes_rest:
                keywords.update((name, value) for name, value in data.items() if name not in self.taken)
            if self.takes_event:
                return function(event, *positional, **keywords)
            return function(*positional, **keywords)

        return invoke


def _positional_invoker(function: Callable[..., Any], names: tuple[str, ...], owner: str) -> Invoke:
    if len(names) == 1:
        (name,) = names

        def invoke_one(event: Any, data: EventData) -> Any:
            try:
                value = data[name]
            except KeyError:
                _missing(name, owner)
            return function(event, value)

        return invoke_one

    values_of = itemgetter(*names)

    def invoke(event: Any, data: EventData) -> Any:
        try:
            values = values_of(data)
        except KeyError as missing:
            _missing(missing.args[0], owner)
        return function(event, *values)

    return invoke


def _bound_by_partial(function: Callable[..., Any]) -> Mapping[str, Any]:
    bound: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        bound.update(function.keywords)
        function = function.func
    return bound


def _refuse(name: str, known: Collection[str], scope: Scope) -> NoReturn:
    raise ConfigurationError(
        f"{scope.owner} asks for the parameter {name!r}, which nothing on its way provides "
        f"(known here: {', '.join(sorted(known))}). Correct the name, give it a default, or name it in `provides` "
        "of the filter or middleware that puts it there"
    )


def _missing(name: str, owner: str) -> NoReturn:
    raise RoutingError(f"{owner} asks for {name!r}, but the filter or middleware that provides it has not put it there")
