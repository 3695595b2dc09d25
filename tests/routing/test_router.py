"""Router: inclusion, hooks, and declarations that can never work."""

import pytest

from tests.routing.events import dispatch, texts
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing import Dispatcher, Router
from vkteams_bot.routing.filters import Command, ReplyFilter


def test_circles_and_double_inclusion_are_refused():
    one, two, three = Router("one"), Router("two"), Router("three")
    one.include_router(two)
    two.include_router(three)
    for outer, inner in [(three, one), (one, one), (one, three), (two, three), (three, two)]:
        with pytest.raises(ConfigurationError):
            outer.include_router(inner)
    with pytest.raises(ConfigurationError, match="<Router two> is included in <Router one>"):
        Router().include_router(two)
    with pytest.raises(ConfigurationError, match="not a Router"):
        one.include_router("two")  # type: ignore[arg-type]
    assert [router.name for router in one.walk()] == ["one", "two", "three"]


def test_a_dispatcher_takes_each_router_once():
    root, leaf = Router(), Router("leaf")
    root.include_router(leaf)
    for routers in ([root, root], [root, leaf], [leaf, root]):
        with pytest.raises(ConfigurationError, match="twice"):
            Dispatcher(routers)
    with pytest.raises(ConfigurationError, match="not a Router"):
        Dispatcher([5])  # type: ignore[list-item]


def test_hooks_are_kept_in_order():
    root, leaf, other = Router(), Router(), Router()
    root.include_router(leaf)

    @leaf.on_startup
    async def third(): ...

    @root.on_startup
    def first(): ...

    @root.on_startup
    async def second(): ...

    @other.on_startup
    @other.on_shutdown
    def last(): ...

    dispatcher = Dispatcher([root, other])
    assert dispatcher.startup_hooks == (first, second, third, last)
    assert dispatcher.shutdown_hooks == (last,)
    assert root.startup_hooks == [first, second]
    with pytest.raises(ConfigurationError):
        root.on_startup(None)  # type: ignore[type-var]


@pytest.mark.parametrize("wrong", [ReplyFilter, str, "text", 5, None, {"a": 1}])
def test_what_is_no_filter_is_refused_when_declared(wrong):
    with pytest.raises(ConfigurationError, match="not a filter"):
        Router().message(wrong)
    with pytest.raises(ConfigurationError, match="not a filter"):
        Router().message.register(lambda message: None, wrong)
    with pytest.raises(ConfigurationError, match="not a filter"):
        Command("x") & wrong


@pytest.mark.parametrize("wrong", [None, "text", ReplyFilter])
def test_what_is_no_handler_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="not a handler"):
        Router().message()(wrong)


@pytest.mark.parametrize("observer", ["message", "callback_query", "error"])
def test_a_decorator_without_parentheses_is_an_error_and_not_silence(observer):
    root, leaf = Router(), Router()
    root.include_router(leaf)

    @getattr(leaf, observer)
    async def handler(event): ...

    with pytest.raises(ConfigurationError, match=rf"test_router.py:\d+: write @router.{observer}\(\)"):
        Dispatcher([root])


def test_a_decorator_leaves_the_function_as_it_is():
    router = Router()

    async def handler(message):
        return "x"

    assert router.message(Command("a"))(handler) is handler
    assert router.message.register(handler, Command("b")) is handler


def test_a_decorator_may_be_used_for_several_handlers():
    router = Router()
    register = router.message()
    register(lambda message: "first")
    register(lambda message: "second")
    assert texts(dispatch(router)) == ["first"]
    assert len(router.message.handlers) == 2
