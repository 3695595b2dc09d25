"""What a filter is, and the algebra of filters: `&`, `|`, `~`."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from magic_filter import MagicFilter

from vkteams_bot.exceptions import ConfigurationError, RoutingError
from vkteams_bot.fsm.states import StatesGroupMeta
from vkteams_bot.routing.filters.magic import MagicExpression, parse_magic
from vkteams_bot.routing.injection import Invoke, Scope, bind, describe, describe_with_line
from vkteams_bot.routing.run import RUN, EventData

Filter: TypeAlias = Callable[..., Any]


class BaseFilter(ABC):
    """A filter as a class: `__call__`, plain or async, takes the event and, by name, what a handler may ask for.

    A false result is no, true is yes, a dict is yes and gives the handler these names; `provides` declares them.
    A plain `__call__` runs in the event loop and must not block. `requires` names providers that it needs.
    """

    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

    def __and__(self, other: Any) -> And:
        return And(self, as_filter(other))

    def __rand__(self, other: Any) -> And:
        return And(as_filter(other), self)

    def __or__(self, other: Any) -> Or:
        return Or(self, as_filter(other))

    def __ror__(self, other: Any) -> Or:
        return Or(as_filter(other), self)

    def __invert__(self) -> BaseFilter:
        return Not(self)


@dataclass(frozen=True, slots=True)
class Check:
    """A filter made ready: `judge()` what `invoke(event, data)` gives, or when `is_async` what awaiting that gives."""

    invoke: Invoke
    is_async: bool
    provides: frozenset[str]
    name: str


class _Combination(BaseFilter):
    """Called directly, it gives its result at once when all its parts are plain; otherwise it is to be awaited."""

    def __call__(self, event: Any, **data: Any) -> Any:
        return self.check(Scope("a filter")).invoke(event, data)

    @abstractmethod
    def check(self, scope: Scope) -> Check: ...


class And(_Combination):
    """Both; the second is asked only after a yes, and sees what the first provides."""

    def __init__(self, first: Filter, second: Filter) -> None:
        self.first = first
        self.second = second

    def check(self, scope: Scope) -> Check:
        first = check_of(self.first, scope)
        second = check_of(self.second, scope.plus(first.provides))

        def both(event: Any, data: EventData) -> Any:
            answer = judge(first.invoke(event, data), first.name)
            return answer and merged(answer, judge(second.invoke(event, seen(data, answer)), second.name))

        async def both_async(event: Any, data: EventData) -> Any:
            answer = await _answer(first, event, data)
            return answer and merged(answer, await _answer(second, event, seen(data, answer)))

        slow = first.is_async or second.is_async
        return Check(both_async if slow else both, slow, first.provides | second.provides, scope.owner)


class Or(_Combination):
    """Either; the second is asked only after a no. Only what both provide can be relied on."""

    def __init__(self, first: Filter, second: Filter) -> None:
        self.first = first
        self.second = second

    def check(self, scope: Scope) -> Check:
        first = check_of(self.first, scope)
        second = check_of(self.second, scope)

        def either(event: Any, data: EventData) -> Any:
            return judge(first.invoke(event, data), first.name) or judge(second.invoke(event, data), second.name)

        async def either_async(event: Any, data: EventData) -> Any:
            return await _answer(first, event, data) or await _answer(second, event, data)

        slow = first.is_async or second.is_async
        return Check(either_async if slow else either, slow, first.provides & second.provides, scope.owner)


class Not(_Combination):
    """The opposite. It provides nothing."""

    def __init__(self, inner: Filter) -> None:
        self.inner = inner

    def check(self, scope: Scope) -> Check:
        inner = check_of(self.inner, scope)

        def negation(event: Any, data: EventData) -> Any:
            return not judge(inner.invoke(event, data), inner.name)

        async def negation_async(event: Any, data: EventData) -> Any:
            return not await _answer(inner, event, data)

        return Check(negation_async if inner.is_async else negation, inner.is_async, frozenset(), scope.owner)


class Magic(BaseFilter):
    """An `F` expression: yes when it resolves to something true."""

    def __init__(self, magic: MagicFilter) -> None:
        self.magic = magic

    def __call__(self, event: Any) -> bool:
        return bool(self.magic.resolve(event))


def as_filter(value: Any) -> Filter:
    """The filter that a value stands for. Raises ConfigurationError when it is none."""
    if isinstance(value, MagicFilter):
        value = parse_magic(value)
        return _built(value) if isinstance(value, MagicExpression) else Magic(value)
    if isinstance(value, MagicExpression):
        return _built(value)
    if isinstance(value, type) and not isinstance(value, StatesGroupMeta):
        raise ConfigurationError(f"{value.__name__} is a class, not a filter: write {value.__name__}(...)")
    if not callable(value):
        raise ConfigurationError(f"{value!r} is not a filter: give a filter, a callable, an F expression or a State")
    filter_: Filter = value
    return filter_


def _built(expression: MagicExpression) -> Filter:
    """magic-filter builds `F.text & Command("x")` itself, but cannot call our filters."""
    operands = [as_filter(operand) for operand in expression.operands]
    kind: Any = {"and": And, "or": Or, "not": Not}[expression.operator]
    built: Filter = kind(*operands)
    return built


def check_of(filter_: Filter, scope: Scope) -> Check:
    """Make a filter ready. Raises ConfigurationError for a parameter or requirement that nothing provides."""
    if isinstance(filter_, _Combination):
        return filter_.check(scope)
    scope = Scope(f"the filter {describe(filter_)} of {scope.owner}", scope.names, scope.providers)
    binding = bind(filter_, scope)
    required = tuple(getattr(filter_, "requires", ()))
    if scope.names is not None:
        for name in required:
            if name not in scope.providers and name not in scope.names:
                raise ConfigurationError(
                    f"{scope.owner} ({describe_with_line(filter_)}) requires {name!r}, which has no provider"
                )
    invoke, is_async = binding.invoke, binding.is_async
    needed = tuple(name for name in dict.fromkeys((*required, *binding.provided)) if name in scope.providers)
    if needed:
        invoke, is_async = _with_provided(needed, invoke, is_async), True
    return Check(invoke, is_async, frozenset(getattr(filter_, "provides", ())), scope.owner)


async def _answer(check: Check, event: Any, data: EventData) -> Any:
    result = check.invoke(event, data)
    return judge(await result if check.is_async else result, check.name)


def judge(result: Any, name: str) -> Any:
    """What a filter's result means: False, True, or a dict that is not empty."""
    if result is True or result is False:
        return result
    if isinstance(result, Mapping):
        return result or False
    if isinstance(result, Awaitable):
        if inspect.iscoroutine(result):
            result.close()
        raise RoutingError(f"{name} is not declared `async def`, but gave something to await")
    return bool(result)


def _with_provided(names: tuple[str, ...], invoke: Invoke, is_async: bool) -> Invoke:
    async def invoke_provided(event: Any, data: EventData) -> Any:
        await data[RUN].provide(names, data)
        result = invoke(event, data)
        return await result if is_async else result

    return invoke_provided


def seen(data: EventData, result: Any) -> EventData:
    """The data that the next filter gets after this result."""
    return data if result is True else {**data, **result}


def merged(first: Any, second: Any) -> Any:
    if not second:
        return False
    if first is True:
        return second
    return first if second is True else {**first, **second}
