"""Handlers that raise, and the handlers of their errors."""

import logging

import pytest

from tests.routing.events import conversation, dispatch, message_event, texts
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing import CancelHandler, ErrorEvent, Router, SkipHandler, Status
from vkteams_bot.routing.filters import Command, ExceptionTypeFilter


class Broken(Exception):
    pass


def failing(router, error=None):
    error = error or Broken("no")

    @router.message()
    async def handler(message, state):
        state.set_state("Form:half-done")
        state.update_data(x=1)
        raise error

    return handler


def answering(text):
    async def handler(event):
        return text

    return handler


def test_without_error_handlers():
    router, state, error = Router(), conversation("Form:a", {"x": 0}), Broken("no")
    handler = failing(router, error)
    outcome = dispatch(router, state=state)
    assert (outcome.status, outcome.replies) == (Status.FAILED, ())
    assert outcome.error is error
    assert outcome.handler == f"{__name__}:{handler.__qualname__}"
    assert (state.state, state.data) == ("Form:a", {"x": 0})


def test_the_error_handler_gets_the_error_the_event_and_the_state_as_loaded():
    router, state, error = Router(), conversation("Form:a"), Broken("no")
    failing(router, error)

    @router.error()
    async def handler(event: ErrorEvent, state, bot, event_type):
        assert event.exception is error
        assert event.event.text == "hi"
        assert (state.state, state.changed) == ("Form:a", False)
        state.set_state("Form:failed")
        return [event.event.answer(f"sorry {bot.alias} {event_type}")]

    outcome = dispatch(router, state=state)
    assert outcome.status is Status.FAILED
    assert outcome.error is error
    assert texts(outcome) == ["sorry default newMessage"]
    assert "failing" in str(outcome.handler)
    assert state.state == "Form:failed"


def test_plain_error_handlers_and_texts():
    router = Router()
    failing(router)
    router.error()(lambda event: f"sorry: {event.exception}")
    assert texts(dispatch(router)) == ["sorry: no"]


@pytest.mark.parametrize("how", [(Broken,), (ExceptionTypeFilter(KeyError, Broken),), (Exception,)])
def test_by_type(how):
    router = Router()
    failing(router)
    router.error(KeyError)(answering("wrong"))
    router.error(ExceptionTypeFilter(ValueError))(answering("wrong"))
    router.error(*how)(answering("right"))
    assert texts(dispatch(router)) == ["right"]


def test_no_fitting_type():
    router = Router()
    failing(router)
    router.error(KeyError)(answering("wrong"))
    outcome = dispatch(router)
    assert (outcome.status, outcome.replies) == (Status.FAILED, ())


def test_the_nearest_router_first_then_up_but_not_sideways():
    root, middle, sibling, leaf = Router(), Router(), Router(), Router()
    root.include_routers(sibling, middle)
    middle.include_router(leaf)
    failing(leaf)
    other_root = Router()
    sibling.error()(answering("sibling"))
    other_root.error()(answering("other root"))
    assert texts(dispatch([other_root, root])) == []
    root.error()(answering("root"))
    assert texts(dispatch([other_root, root])) == ["root"]
    middle.error()(answering("middle"))
    assert texts(dispatch([other_root, root])) == ["middle"]
    leaf.error(KeyError)(answering("leaf"))
    assert texts(dispatch([other_root, root])) == ["middle"]
    leaf.error(Broken)(answering("leaf"))
    assert texts(dispatch([other_root, root])) == ["leaf"]


def test_skip_in_an_error_handler_asks_the_next_cancel_ends():
    root, leaf = Router(), Router()
    root.include_router(leaf)
    failing(leaf)

    @leaf.error()
    async def skipping(event):
        raise SkipHandler

    root.error()(answering("root"))
    assert texts(dispatch(root)) == ["root"]

    @leaf.error()
    async def cancelling(event):
        raise CancelHandler

    outcome = dispatch(root)
    assert (outcome.status, outcome.replies) == (Status.FAILED, ())


@pytest.mark.parametrize("result", ["raise", 5])
def test_an_error_handler_that_fails_is_logged_and_changes_nothing(caplog, result):
    root, leaf, state, error = Router(), Router(), conversation("Form:a"), Broken("the first")
    root.include_router(leaf)
    failing(leaf, error)

    @leaf.error()
    async def broken(event, state):
        state.set_state("Form:b")
        if result == "raise":
            raise KeyError("the second")
        return result

    root.error()(answering("never"))
    with caplog.at_level(logging.ERROR, "vkteams_bot.routing"):
        outcome = dispatch(root, state=state)
    assert outcome.error is error
    assert (outcome.status, outcome.replies) == (Status.FAILED, ())
    assert state.state == "Form:a"
    (record,) = caplog.records
    assert "broken" in record.getMessage()
    assert record.exc_info is not None


def test_errors_of_filters_middleware_and_providers_fail_the_event():
    def in_filter(router):
        @router.message(lambda message: 1 / 0)
        async def handler(message): ...

    def in_async_filter(router):
        async def filter_(message):
            return 1 / 0

        router.message(filter_)(answering("x"))

    def in_inner(router):
        @router.message.middleware
        async def middleware(handler, event, data):
            return 1 / 0

        router.message()(answering("x"))

    def in_outer(router):
        @router.outer_middleware
        async def middleware(handler, event, data):
            return 1 / 0

        router.message()(answering("x"))

    def in_provider(router):
        @router.message()
        async def handler(message, django_user): ...

    async def provider(data):
        return 1 / 0

    for declare in (in_filter, in_async_filter, in_inner, in_outer, in_provider):
        root, leaf = Router(), Router()
        root.include_router(leaf)
        declare(leaf)
        leaf.error(ZeroDivisionError)(answering("leaf"))
        root.error()(answering("root"))
        outcome = dispatch(root, providers={"django_user": provider})
        assert outcome.status is Status.FAILED, declare
        assert texts(outcome) == ["leaf"], declare


def test_an_error_in_the_middleware_of_a_router_is_not_of_those_below():
    root, leaf = Router(), Router()
    root.include_router(leaf)
    leaf.message()(answering("x"))
    leaf.error()(answering("leaf"))
    root.error()(answering("root"))

    @root.outer_middleware
    async def middleware(handler, event, data):
        await handler(event, data)
        raise Broken

    assert texts(dispatch(root)) == ["root"]


def test_an_error_passes_through_the_middleware_above_which_may_end_it():
    root, leaf, seen = Router(), Router(), []
    root.include_router(leaf)
    failing(leaf)

    @root.outer_middleware
    async def middleware(handler, event, data):
        try:
            return await handler(event, data)
        except Broken as error:
            seen.append(error)
            if event.text == "swallow":
                return "swallowed"
            raise

    assert dispatch(root).status is Status.FAILED
    outcome = dispatch(root, message_event("swallow"))
    assert (outcome.status, texts(outcome)) == (Status.HANDLED, ["swallowed"])
    assert len(seen) == 2


def test_a_result_that_is_no_reply_goes_to_the_error_handlers_of_its_router():
    root, leaf = Router(), Router()
    root.include_router(leaf)
    leaf.message(Command("handler"))(answering(5))
    leaf.error()(answering("leaf"))

    @leaf.message.outer_middleware
    async def middleware(handler, event, data):
        return 5 if event.text == "middleware" else await handler(event, data)

    for text in ("/handler", "middleware"):
        outcome = dispatch(root, message_event(text))
        assert (outcome.status, texts(outcome)) == (Status.FAILED, ["leaf"])


def test_error_observers_have_middleware():
    router, seen = Router(), []
    failing(router)
    router.error()(answering("sorry"))

    @router.error.outer_middleware
    async def outer(handler, event, data):
        seen.append(("outer", type(event.exception)))
        return await handler(event, data)

    @router.error.middleware
    async def inner(handler, event, data):
        seen.append(("inner", type(event.exception)))
        return f"{await handler(event, data)}!"

    assert texts(dispatch(router)) == ["sorry!"]
    assert seen == [("outer", Broken), ("inner", Broken)]


def test_exception_types_are_filters_of_error_handlers_only():
    with pytest.raises(ConfigurationError, match="ValueError is a class"):
        Router().message(ValueError)
    with pytest.raises(ConfigurationError):
        ExceptionTypeFilter()


def test_the_nearest_router_is_asked_whatever_middleware_is_around():
    root, leaf = Router(), Router()
    root.include_router(leaf)
    failing(leaf)
    leaf.error()(answering("leaf"))
    root.error()(answering("root"))

    async def passing(handler, event, data):
        return await handler(event, data)

    root.outer_middleware(passing)
    leaf.outer_middleware(passing)
    assert texts(dispatch(root)) == ["leaf"]


def test_error_handlers_of_several_routers_share_what_is_provided():
    calls = []

    async def provider(data):
        calls.append(data)
        return "user"

    root, leaf = Router(), Router()
    root.include_router(leaf)
    failing(leaf)

    @leaf.error()
    async def skipping(event, django_user):
        raise SkipHandler

    root.error()(lambda event, django_user: django_user)
    assert texts(dispatch(root, providers={"django_user": provider})) == ["user"]
    assert len(calls) == 1


def test_cancel_in_an_error_handler_is_no_failure_of_it(caplog):
    router = Router()
    failing(router)

    @router.error()
    async def cancelling(event, state):
        state.set_state("Form:kept")
        raise CancelHandler

    state = conversation()
    assert dispatch(router, state=state).status is Status.FAILED
    assert state.state == "Form:kept"
    assert caplog.records == []


def test_the_event_by_name_is_the_error_event():
    router = Router()
    failing(router)

    @router.error()
    async def handler(error, event):
        assert error is event
        return "same"

    assert texts(dispatch(router)) == ["same"]
