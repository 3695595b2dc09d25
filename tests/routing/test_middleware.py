"""Middleware: that each registered one runs, in which order, and what it may do."""

import pytest

from tests.routing.events import dispatch, message_event, press_event, texts
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing import UNHANDLED, BaseMiddleware, CancelHandler, Dispatched, Router, SkipHandler, Status
from vkteams_bot.routing.filters import Command


def noting(log, name):
    async def middleware(handler, event, data):
        log.append(f"{name} in")
        result = await handler(event, data)
        log.append(f"{name} out")
        return result

    return middleware


def answering(text):
    async def handler(event):
        return text

    return handler


def test_each_runs_in_its_order():
    log: list[str] = []
    root, leaf = Router(), Router()
    root.include_router(leaf)
    for name, router in (("root", root), ("leaf", leaf)):
        router.message.middleware(noting(log, f"{name} message inner"))
        router.middleware(noting(log, f"{name} inner"))
        router.message.outer_middleware(noting(log, f"{name} message outer"))
        router.message.outer_middleware(noting(log, f"{name} message outer 2"))
        router.outer_middleware(noting(log, f"{name} outer"))

    def filter_(message):
        log.append("filter")
        return True

    @leaf.message(filter_)
    async def handler(message):
        log.append("handler")
        return "x"

    assert texts(dispatch(root)) == ["x"]
    order = [
        "root outer",
        "root message outer",
        "root message outer 2",
        "leaf outer",
        "leaf message outer",
        "leaf message outer 2",
        "filter",
        "root inner",
        "root message inner",
        "leaf inner",
        "leaf message inner",
    ]
    entered = [f"{name} in" if name != "filter" else name for name in order]
    left = [f"{name} out" for name in reversed(order) if name != "filter"]
    assert log == [*entered, "handler", *left]


def test_of_one_kind_and_of_all_kinds():
    log: list[str] = []
    router = Router()
    router.message()(answering("m"))
    router.callback_query()(answering("q"))
    router.message.outer_middleware(noting(log, "message"))
    router.message.middleware(noting(log, "message inner"))
    router.outer_middleware(noting(log, "all"))
    router.middleware(noting(log, "all inner"))
    assert texts(dispatch(router, press_event())) == ["q"]
    assert log == ["all in", "all inner in", "all inner out", "all out"]
    log.clear()
    assert texts(dispatch(router, message_event())) == ["m"]
    assert log[:4] == ["all in", "message in", "all inner in", "message inner in"]


def test_outer_runs_once_for_a_router_whatever_becomes_of_the_event_and_inner_only_for_a_handler():
    log: list[str] = []
    router = Router()
    router.outer_middleware(noting(log, "outer"))
    router.middleware(noting(log, "inner"))
    for number in range(3):
        router.message(Command(str(number)))(answering("x"))
    assert dispatch(router).status is Status.UNHANDLED
    assert log == ["outer in", "outer out"]


def test_outer_runs_in_a_router_without_handlers():
    log: list[str] = []
    router = Router()
    router.outer_middleware(noting(log, "outer"))
    assert dispatch(router) == Dispatched(Status.UNHANDLED)
    assert log == ["outer in", "outer out"]


def test_outer_of_a_sibling_does_not_run_after_the_event_is_taken():
    log: list[str] = []
    root, first, second = Router(), Router(), Router()
    root.include_routers(first, second)
    first.message()(answering("x"))
    second.message()(answering("y"))
    second.outer_middleware(noting(log, "second"))
    first.outer_middleware(noting(log, "first"))
    assert texts(dispatch(root)) == ["x"]
    assert log == ["first in", "first out"]


@pytest.mark.parametrize("kind", ["outer_middleware", "middleware"])
def test_all_ways_of_registering(kind):
    log: list[str] = []
    router = Router()
    router.message()(answering("x"))

    class Noting(BaseMiddleware):
        async def __call__(self, handler, event, data):
            log.append("object")
            return await handler(event, data)

    register = getattr(router.message, kind)

    @register
    async def bare(handler, event, data):
        log.append("bare")
        return await handler(event, data)

    @register()
    async def called(handler, event, data):
        log.append("called")
        return await handler(event, data)

    instance = Noting()
    assert register(instance) is instance
    assert texts(dispatch(router)) == ["x"]
    assert log == ["bare", "called", "object"]


@pytest.mark.parametrize("kind", ["outer_middleware", "middleware"])
def test_a_forgotten_return_swallows_no_reply(kind):
    router = Router()
    router.message(Command("x"))(answering("x"))

    @getattr(router, kind)
    async def forgetful(handler, event, data):
        await handler(event, data)

    other = Router()
    other.message()(answering("other"))
    assert texts(dispatch([router, other], message_event("/x"))) == ["x"]
    assert texts(dispatch([router, other], message_event("hm"))) == ["other"]


@pytest.mark.parametrize("kind", ["outer_middleware", "middleware"])
def test_the_result_may_be_replaced_or_dropped(kind):
    router = Router()
    router.message()(answering("x"))

    @getattr(router, kind)
    async def replacing(handler, event, data):
        result = await handler(event, data)
        return () if event.text == "drop" else f"{result}!"

    assert texts(dispatch(router)) == ["x!"]
    assert texts(dispatch(router, message_event("drop"))) == []


def test_an_outer_middleware_that_does_not_call_the_handler_ends_the_event():
    ran = []
    router, other = Router(), Router()
    for each in (router, other):
        each.message()(lambda message: ran.append(message))

    @router.outer_middleware
    async def maintenance(handler, event, data):
        return None if event.text == "silent" else "maintenance"

    outcome = dispatch([router, other])
    assert (outcome.status, texts(outcome), outcome.handler) == (Status.HANDLED, ["maintenance"], None)
    assert dispatch([router, other], message_event("silent")) == Dispatched(Status.HANDLED)
    assert ran == []


def test_an_outer_middleware_sees_that_nobody_handled_the_event():
    router = Router()

    @router.outer_middleware
    async def fallback(handler, event, data):
        result = await handler(event, data)
        return "I do not understand" if result is UNHANDLED else result

    assert texts(dispatch(router)) == ["I do not understand"]


def test_skip_and_cancel_in_middleware():
    first, second = Router(), Router()
    first.message()(answering("first"))
    second.message()(answering("second"))

    @first.outer_middleware
    async def outer(handler, event, data):
        if event.text == "skip router":
            raise SkipHandler
        if event.text == "cancel":
            raise CancelHandler
        return await handler(event, data)

    @first.middleware
    async def inner(handler, event, data):
        if event.text == "skip handler":
            raise SkipHandler
        return await handler(event, data)

    for text, answers in [("hi", ["first"]), ("skip router", ["second"]), ("skip handler", ["second"]), ("cancel", [])]:
        outcome = dispatch([first, second], message_event(text))
        assert (outcome.status, texts(outcome)) == (Status.HANDLED, answers), text


def test_flags_are_readable_in_inner_middleware_and_handler():
    router = Router()
    seen = []

    @router.middleware
    async def reading(handler, event, data):
        seen.append(data["flags"])
        return await handler(event, data)

    @router.message(Command("slow"), flags={"slow": True})
    async def slow(message, flags):
        seen.append(flags)

    router.message.register(answering(None), flags={"slow": False})
    dispatch(router, message_event("/slow"))
    assert seen == [{"slow": True}, {"slow": True}]
    dispatch(router, message_event("other"))
    assert seen[2:] == [{"slow": False}]
    with pytest.raises(TypeError):
        seen[0]["slow"] = 5


def test_what_middleware_puts_reaches_filters_and_handlers_but_not_other_routers():
    class Outer(BaseMiddleware):
        provides = ("shop",)

        async def __call__(self, handler, event, data):
            data["shop"] = "shop"
            return await handler(event, {**data, "more": 1})

    class Inner(BaseMiddleware):
        provides = ("till",)

        async def __call__(self, handler, event, data):
            return await handler(event, {**data, "till": "till"})

    first, second = Router(), Router()
    first.outer_middleware(Outer())
    first.middleware(Inner())

    @first.message(lambda message, shop: shop == "shop" and message.text == "hi")
    async def handler(message, shop, till, **rest):
        return f"{shop} {till} {rest['more']}"

    @second.message()
    async def last(message, **rest):
        return " ".join(sorted(rest))

    assert texts(dispatch([first, second])) == ["shop till 1"]
    assert texts(dispatch([first, second], message_event("other"))) == ["bot event event_type flags raw_event state"]


def test_the_event_may_be_replaced():
    router = Router()
    router.message(Command("real"))(lambda message: message.text)

    @router.outer_middleware
    async def replacing(handler, event, data):
        return await handler(event.model_copy(update={"text": "/real"}), data)

    assert texts(dispatch(router, message_event("/alias"))) == ["/real"]


@pytest.mark.parametrize("wrong", [BaseMiddleware, 5, lambda handler, event, data: None, "text"])
def test_what_is_no_middleware_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="not a middleware"):
        Router().message.middleware(wrong)


def test_what_inner_middleware_puts_does_not_reach_the_next_handler():
    router = Router()

    @router.message.middleware
    async def counting(handler, event, data):
        data["count"] = data.get("count", 0) + 1
        return await handler(event, data)

    @router.message()
    async def skipping(message):
        raise SkipHandler

    @router.message()
    async def second(message, count=None):
        return f"{count}"

    assert texts(dispatch(router)) == ["1"]


def test_a_handler_that_passed_the_event_on_is_not_the_one_named():
    for how in (SkipHandler, UNHANDLED):
        router = Router()

        @router.message()
        async def passing(message, how=how):
            if how is SkipHandler:
                raise how
            return how

        @router.outer_middleware
        async def fallback(handler, event, data):
            await handler(event, data)
            return "fallback"

        outcome = dispatch(router)
        assert (texts(outcome), outcome.handler) == (["fallback"], None)


def test_a_replaced_event_is_read_again():
    first, second = Router(), Router()
    first.message(Command("one"))(answering("one"))
    second.message(Command("two"))(answering("two"))

    @second.outer_middleware
    async def replacing(handler, event, data):
        return await handler(event.model_copy(update={"text": "/two"}), data)

    assert texts(dispatch([first, second], message_event("/zero"))) == ["two"]
