"""Compiles routers into steps, and runs an event along them. Whatever can be decided at start is decided here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from types import EllipsisType, GeneratorType
from typing import Any, TypeAlias

from asgiref.sync import sync_to_async

from vkteams_bot.routing.dispatched import UNHANDLED, CancelHandler, Dispatched, SkipHandler, Status
from vkteams_bot.routing.filters.base import check_of, judge
from vkteams_bot.routing.injection import (
    BASE_NAMES,
    Binding,
    Invoke,
    Scope,
    bind,
    code_of,
    describe,
    describe_with_line,
)
from vkteams_bot.routing.middleware import Handler, Middleware, compose, provided_by
from vkteams_bot.routing.observer import Declaration, Observer
from vkteams_bot.routing.router import Router
from vkteams_bot.routing.run import RUN, EventData, Run

FILTER_NAMES = BASE_NAMES - {"flags"}


class Place:
    """A router, as far as errors that come up in it are concerned."""

    __slots__ = ("error_steps", "parent")

    def __init__(self, parent: Place | None) -> None:
        self.parent = parent
        self.error_steps: Steps = ()


class HandlerStep:
    """A handler with its filters and inner middleware."""

    __slots__ = ("call", "checks", "done", "flags", "name", "place", "provided", "timeout")

    def __init__(self, declaration: Declaration, place: Place, scope: Scope, middleware: Sequence[Middleware]) -> None:
        callback = declaration.callback
        scope = Scope(f"the handler {describe_with_line(callback)}", scope.names, scope.providers)
        checks = []
        for filter_ in declaration.filters:
            check = check_of(filter_, scope)
            checks.append((check.invoke, check.is_async, check.name))
            scope = scope.plus(check.provides)
        binding = bind(callback, scope.plus(provided_by(middleware) | {"flags"}))
        self.checks: tuple[tuple[Invoke, bool, str], ...] = tuple(checks)
        self.call = compose(middleware, _runner(callback, binding))
        self.provided = binding.provided
        self.flags = declaration.flags
        self.timeout: float | EllipsisType | None = declaration.flags.get("timeout", ...)
        self.place = place
        self.name = describe(callback)
        # The outcome of a handler that returns nothing is always the same value.
        self.done = Dispatched(Status.HANDLED, handler=self.name)


class GroupStep:
    """A router with outer middleware: its steps run inside of it."""

    __slots__ = ("call",)
    checks: None = None

    def __init__(self, steps: Steps, place: Place, middleware: Sequence[Middleware]) -> None:
        async def inside(event: Any, data: EventData) -> Any:
            return await run_steps(steps, event, data)

        chain = compose(middleware, inside)

        async def call(event: Any, data: EventData) -> Any:
            run: Run = data[RUN]
            try:
                result = await chain(event, data.copy())
            except SkipHandler:
                return UNHANDLED
            except CancelHandler:
                raise
            except Exception as error:  # whatever it is, its place is noted for the error handlers
                run.failed(error, place)
                raise
            if result is not UNHANDLED and run.ended_in is None:
                run.ended_in = place
            return result

        self.call: Handler = call


Step: TypeAlias = HandlerStep | GroupStep
Steps: TypeAlias = tuple[Step, ...]


async def run_steps(steps: Steps, event: Any, data: EventData) -> Any:
    """Give the event to the first handler that fits: its result, or UNHANDLED."""
    for step in steps:
        if step.checks is None:
            result = await step.call(event, data)
            if result is not UNHANDLED:
                return result
            continue
        try:
            scope = data
            for invoke, is_async, name in step.checks:
                result = invoke(event, scope)
                if is_async:
                    result = await result
                if result is not True and result is not False:
                    result = judge(result, name)
                if result is False:
                    break
                if result is not True:
                    scope = {**scope, **result}
            else:
                run: Run = data[RUN]
                run.handler = step
                if scope is data:
                    scope = data.copy()
                scope["flags"] = step.flags
                if step.provided:
                    await run.provide(step.provided, scope)
                result = await step.call(event, scope)
                if result is not UNHANDLED:
                    return result
                run.handler = None
        except SkipHandler:
            data[RUN].handler = None
        except CancelHandler:
            raise
        except Exception as error:  # as above
            data[RUN].failed(error, step.place)
            raise
    return UNHANDLED


def _runner(callback: Callable[..., Any], binding: Binding) -> Handler:
    """The handler as a coroutine function. A plain function runs in a thread, generators to their end."""
    invoke = binding.invoke
    if inspect.isasyncgenfunction(code_of(callback)):

        async def collect(event: Any, data: EventData) -> Any:
            return [item async for item in invoke(event, data)]

        return collect
    if binding.is_async:
        return invoke

    def run(event: Any, data: EventData) -> Any:
        try:
            result = invoke(event, data)
            return list(result) if isinstance(result, GeneratorType) else result
        except StopIteration as error:
            # A future does not carry it (before Python 3.12 the wait would never end).
            raise RuntimeError("the handler raised StopIteration") from error

    return sync_to_async(run, thread_sensitive=True)


class Compiler:
    """Makes the steps of routers. Raises ConfigurationError for whatever can never work."""

    def __init__(self, providers: Collection[str]) -> None:
        self._providers = frozenset(providers)
        self._places: dict[Router, Place] = {}

    def steps(
        self,
        router: Router,
        kind: str,
        *,
        handlers_only: bool = False,
        names: frozenset[str] = FILTER_NAMES,
        inner: tuple[Middleware, ...] = (),
    ) -> Steps:
        """The steps for one kind of event. `handlers_only`: middleware for all kinds alone makes no step."""
        observer = router.observers[kind]
        outer = (*router.outer_middleware, *observer.outer_middleware)
        inner = (*inner, *router.middleware, *observer.middleware)
        names |= provided_by(outer)
        steps = self._handlers(observer, self._place(router), names, inner)
        for child in router.children:
            steps += self.steps(child, kind, handlers_only=handlers_only, names=names, inner=inner)
        if not outer or (handlers_only and not steps and not observer.outer_middleware):
            return steps
        return (GroupStep(steps, self._place(router), outer),)

    def _place(self, router: Router) -> Place:
        place = self._places.get(router)
        if place is None:
            parent = self._place(router.parent) if router.parent is not None else None
            place = self._places[router] = Place(parent)
            place.error_steps = self._error_steps(router, place)
        return place

    def _error_steps(self, router: Router, place: Place) -> Steps:
        outer = tuple(router.error.outer_middleware)
        names = FILTER_NAMES | provided_by(outer)
        steps = self._handlers(router.error, place, names, tuple(router.error.middleware))
        return (GroupStep(steps, place, outer),) if outer else steps

    def _handlers(
        self, observer: Observer, place: Place, names: frozenset[str], inner: tuple[Middleware, ...]
    ) -> Steps:
        observer.check_complete()
        scope = Scope("", names, self._providers)
        return tuple(HandlerStep(declaration, place, scope, inner) for declaration in observer.handlers)
