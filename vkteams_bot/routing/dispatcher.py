"""Dispatcher: an event in, its outcome out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vkteams_bot.api.types import Event, EventType
from vkteams_bot.exceptions import ConfigurationError, HandlerTimeout
from vkteams_bot.fsm.context import FSMContext
from vkteams_bot.routing.dispatched import UNHANDLED, CancelHandler, Dispatched, ErrorEvent, Status
from vkteams_bot.routing.plans import Compiler, Place, Steps, run_steps
from vkteams_bot.routing.replies import replies_of
from vkteams_bot.routing.router import Router
from vkteams_bot.routing.run import RUN, EventData, Provider, Run

logger = logging.getLogger("vkteams_bot.routing")

_UNHANDLED = Dispatched(Status.UNHANDLED)


class Dispatcher:
    """Compiled routers; what is registered later is not seen. Raises ConfigurationError.

    `providers` gives names their values: `await provider(event_data)`, once for an event and only when asked for.
    `edited_as_message`: an edited message that no `edited_message` handler took goes to the `message` handlers.
    """

    def __init__(
        self,
        routers: Iterable[Router],
        *,
        providers: Mapping[str, Provider] | None = None,
        edited_as_message: bool = False,
    ) -> None:
        self._providers = dict(providers or {})
        roots = tuple(routers)
        _check_roots(roots)
        compiler = Compiler(self._providers)

        def steps_of(kind: str, *, handlers_only: bool = False) -> Steps:
            return tuple(step for root in roots for step in compiler.steps(root, kind, handlers_only=handlers_only))

        self._plans: dict[str, tuple[Steps, ...]] = {kind: (steps_of(kind),) for kind in EventType}
        if edited_as_message:
            self._plans[EventType.EDITED_MESSAGE] = (
                steps_of(EventType.EDITED_MESSAGE, handlers_only=True),
                steps_of(EventType.NEW_MESSAGE),
            )
        everyone = [router for root in roots for router in root.walk()]
        self.startup_hooks: tuple[Callable[..., Any], ...] = tuple(
            hook for router in everyone for hook in router.startup_hooks
        )
        self.shutdown_hooks: tuple[Callable[..., Any], ...] = tuple(
            hook for router in everyone for hook in router.shutdown_hooks
        )

    def new_run(self) -> Run:
        """For `dispatch`, to see from outside how far it is, and to end it (`Run.give_up`)."""
        return Run(self._providers)

    async def dispatch(self, event: Event, bot: Any, state: FSMContext, run: Run | None = None) -> Dispatched:
        """Route one event. Exceptions of handlers come back in the outcome; cancellation passes through.

        When the event fails, `state` is as loaded, but for what the error handler changed.
        """
        payload = event.payload
        plan = self._plans.get(event.type)
        if payload is None or plan is None:
            return _UNHANDLED
        run = run or Run(self._providers)
        data: EventData = {
            "bot": bot,
            "state": state,
            "raw_event": event.raw,
            "event_type": event.type,
            "event": payload,
            RUN: run,
        }
        try:
            result: Any = UNHANDLED
            for steps in plan:
                result = await run_steps(steps, payload, data)
                if result is not UNHANDLED:
                    break
            else:
                return _UNHANDLED
            step = run.handler
            if result is None and step is not None:
                done: Dispatched = step.done
                return done
            name = step.name if step is not None else None
            replies = replies_of(result, bot=bot, chat_id=payload.chat.chat_id, handler=name or "an outer middleware")
            return Dispatched(Status.HANDLED, replies, handler=name)
        except CancelHandler:
            return Dispatched(Status.HANDLED, handler=run.handler.name if run.handler is not None else None)
        except asyncio.CancelledError as error:
            failure: Exception
            if run.withdraw(asyncio.current_task()):
                failure = HandlerTimeout(f"{_name_of(run)} ran for longer than {run.timed_out:g} s and was given up")
            else:
                failure = RuntimeError("something that the handler awaited was cancelled")
            if _is_cancelled():
                raise
            failure.__cause__ = error
            return await self._failed(failure, run, data)
        except Exception as error:  # whatever the project's code raises is its result, which the runtime stores
            return await self._failed(error, run, data)

    async def _failed(self, error: Exception, run: Run, data: EventData) -> Dispatched:
        data["state"].rollback()
        step = run.handler
        if run.error is error:
            place: Place | None = run.place
        else:
            # The result was no reply: that is up to who returned it.
            place = step.place if step is not None else run.ended_in
        replies: tuple[Any, ...] = ()
        while place is not None:
            answered = await self._ask(place, error, run, data)
            if answered is not None:
                replies = answered
                break
            place = place.parent
        return Dispatched(Status.FAILED, replies, error, step.name if step is not None else None)

    async def _ask(self, place: Place, error: Exception, run: Run, data: EventData) -> tuple[Any, ...] | None:
        """The replies of this router's error handler; None when it has none for this error."""
        event = ErrorEvent(error, data["event"])
        again = run.again()
        try:
            result = await run_steps(place.error_steps, event, {**data, "event": event, RUN: again})
            if result is UNHANDLED:
                return None
            name = again.handler.name if again.handler is not None else "a middleware of error handlers"
            return replies_of(result, bot=data["bot"], chat_id=data["event"].chat.chat_id, handler=name)
        except CancelHandler:
            return ()
        except asyncio.CancelledError:
            if not run.withdraw(asyncio.current_task()) or _is_cancelled():
                raise
            logger.error("it took too long to handle %s, too: given up", type(error).__name__)
            data["state"].rollback()
            return ()
        except Exception:  # the project's code once more, and nobody comes after it
            name = again.handler.name if again.handler is not None else "a filter or middleware of error handlers"
            logger.exception("%s failed while it handled %s", name, type(error).__name__)
            data["state"].rollback()
            return ()


def _name_of(run: Run) -> str:
    return run.handler.name if run.handler is not None else "a filter or middleware"


def _is_cancelled() -> bool:
    """Whether it is this task that was cancelled, and not just something that it awaited."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _check_roots(roots: tuple[Router, ...]) -> None:
    seen: set[Router] = set()
    for root in roots:
        if not isinstance(root, Router):
            raise ConfigurationError(f"{root!r} is not a Router")
        for router in root.walk():
            if router in seen:
                raise ConfigurationError(f"{router!r} would get each event twice: it is given or included twice")
            seen.add(router)
