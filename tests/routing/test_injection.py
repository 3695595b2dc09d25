"""Handlers get what they declare, and nothing else is accepted."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from tests.routing.events import BOT, conversation, dispatch, message_event, texts
from vkteams_bot.exceptions import ConfigurationError, RoutingError
from vkteams_bot.routing import BaseMiddleware, Dispatcher, Router, SkipHandler, provides
from vkteams_bot.routing.filters import BaseFilter, Command, RegexpFilter


def run(handler, event=None, *filters, **options):
    """The arguments that the handler saw; it returns them as a dict through a cell."""
    router = Router()
    router.message.register(handler, *filters)
    outcome = dispatch(router, event, **options)
    if outcome.error is not None:
        raise outcome.error
    return outcome


def test_base_names():
    event, state, seen = message_event("hi"), conversation(), {}

    async def handler(message, bot, state, raw_event, event_type, event, flags):
        seen.update(locals())

    run(handler, event, state=state)
    assert seen["message"] is seen["event"] is event.payload
    assert seen["bot"] is BOT
    assert seen["state"] is state
    assert seen["raw_event"] is event.raw
    assert seen["event_type"] == "newMessage"
    assert seen["flags"] == {}


def test_any_shape_of_signature():
    seen: list[Any] = []

    async def nothing():
        seen.append("nothing")

    async def named_otherwise(anything):
        seen.append(anything.text)

    async def one(message, bot):
        seen.append(bot.alias)

    async def two_out_of_order(message, event_type, bot):
        seen.append((event_type, bot.alias))

    async def keyword_only(message, *, bot):
        seen.append(bot.alias)

    async def only_keywords(*, bot):
        seen.append(bot.alias)

    async def positional_only(message, bot, /):
        seen.append(bot.alias)

    async def absent_default(message, absent=5, *, bot):
        seen.append((absent, bot.alias))

    async def present_default(message, event_type="none", absent=1):
        seen.append((event_type, absent))

    async def variadic(*arguments):
        seen.append(len(arguments))

    async def positional_only_default(message, event_type=3, /, bot=None):
        seen.append((event_type, bot.alias))

    @functools.wraps(one)
    async def wrapped(*arguments, **keywords):
        await one(*arguments, **keywords)

    handlers: list[Callable[..., Any]] = [
        nothing,
        named_otherwise,
        one,
        two_out_of_order,
        keyword_only,
        only_keywords,
        positional_only,
    ]
    handlers += [absent_default, present_default, variadic, positional_only_default, wrapped]
    for handler in handlers:
        run(handler)
    expected = ["nothing", "hi", "default", ("newMessage", "default"), "default", "default", "default"]
    assert seen == [*expected, (5, "default"), ("newMessage", 1), 1, (3, "default"), "default"]


def test_the_rest_is_everything_that_is_not_taken():
    seen = {}

    async def handler(event, bot, absent=1, **rest):
        seen.update(rest)

    run(handler, message_event("/x"), Command("x"))
    assert sorted(seen) == ["command", "event_type", "flags", "raw_event", "state"]


def test_the_whole_data():
    async def handler(message, event_data, bot):
        return f"{event_data['bot'] is bot} {event_data['event_type']}"

    assert texts(run(handler)) == ["True newMessage"]


class TestUnknownNames:
    def refused(self, *routers, **options):
        with pytest.raises(ConfigurationError) as caught:
            Dispatcher(routers, **options)
        return str(caught.value)

    def test_the_error_names_handler_place_parameter_and_remedy(self):
        router = Router()

        @router.message(Command("x"))
        async def handler(message, comand): ...

        text = self.refused(router)
        assert f"{__name__}:{handler.__qualname__}" in text
        assert f"{__file__}:{handler.__code__.co_firstlineno}" in text
        assert "'comand'" in text
        assert "command" in text
        assert "provides" in text

    @pytest.mark.parametrize("observer", ["message", "callback_query", "error"])
    def test_in_any_observer_of_any_router(self, observer):
        root, leaf = Router(), Router()
        root.include_router(leaf)

        async def handler(event, unknown): ...

        getattr(leaf, observer).register(handler)
        assert "'unknown'" in self.refused(root)

    def test_of_a_plain_handler_an_object_and_a_partial(self):
        class Object:
            async def __call__(self, event, unknown): ...

        def plain(event, unknown): ...

        for handler in (Object(), plain, functools.partial(plain), Object().__call__):
            router = Router()
            router.message.register(handler)
            assert "'unknown'" in self.refused(router)

    def test_of_filters(self):
        router = Router()

        @router.message(Command("x") & (lambda message, unknown: True))
        async def handler(message): ...

        text = self.refused(router)
        assert "filter" in text
        assert "handler" in text

    def test_a_later_filter_knows_what_earlier_ones_provide(self):
        def by_args(message, command):
            return command.args == "1"

        for filters in [(Command("x"), by_args), (Command("x") & by_args,)]:
            router = Router()
            router.message(*filters)(lambda message, command: command.args)
            assert texts(dispatch(router, message_event("/x 1"))) == ["1"]
            assert texts(dispatch(router, message_event("/x 2"))) == []
        router = Router()
        router.message(by_args, Command("x"))(lambda message: None)
        assert "'command'" in self.refused(router)

    def test_only_names_of_its_own_path_are_known(self):
        @provides("shop")
        async def middleware(handler, event, data):
            data["shop"] = 1
            return await handler(event, data)

        def declare(register):
            root, leaf, sibling = Router(), Router(), Router()
            root.include_routers(leaf, sibling)
            leaf.message()(lambda message, shop: f"shop {shop}")
            register(root, leaf, sibling)
            return root

        for register in (
            lambda root, leaf, sibling: root.middleware(middleware),
            lambda root, leaf, sibling: root.message.outer_middleware(middleware),
            lambda root, leaf, sibling: leaf.outer_middleware(middleware),
            lambda root, leaf, sibling: leaf.message.middleware(middleware),
        ):
            assert texts(dispatch(declare(register))) == ["shop 1"]
        for register in (
            lambda root, leaf, sibling: sibling.middleware(middleware),
            lambda root, leaf, sibling: leaf.callback_query.middleware(middleware),
        ):
            assert "'shop'" in self.refused(declare(register))

    def test_inner_middleware_comes_too_late_for_filters(self):
        class Inner(BaseMiddleware):
            provides = ("shop",)

            async def __call__(self, handler, event, data): ...

        router = Router()
        router.middleware(Inner())
        router.message(lambda message, shop: True)(lambda message: None)
        assert "'shop'" in self.refused(router)

    def test_what_one_side_of_or_provides_needs_a_default(self):
        either = Command("x") | RegexpFilter("y")
        router = Router()
        router.message(either)(lambda message, command: None)
        assert "'command'" in self.refused(router)
        router = Router()
        router.message(either)(lambda message, command=None: command.args if command else "none")
        assert texts(dispatch(router, message_event("/x 1"))) == ["1"]
        assert texts(dispatch(router, message_event("y"))) == ["none"]
        both = Router()
        both.message(Command("x") | Command("z"))(lambda message, command: command.command)
        assert texts(dispatch(both, message_event("/z"))) == ["z"]

    def test_a_negation_provides_nothing(self):
        router = Router()
        router.message(~Command("x"))(lambda message, command: None)
        assert "'command'" in self.refused(router)

    @pytest.mark.parametrize("name", ["bot", "state", "raw_event", "event_type", "flags"])
    def test_the_first_parameter_is_the_event(self, name):
        namespace: dict[str, Any] = {}
        exec(f"async def handler({name}): ...", namespace)
        router = Router()
        router.message.register(namespace["handler"])
        assert "gets the event" in self.refused(router)


@pytest.mark.parametrize("signature", ["message, shop", "message, bot, shop", "message, *, shop"])
def test_a_promise_that_is_not_kept_fails_by_name(signature):
    @provides("shop")
    async def middleware(handler, event, data):
        return await handler(event, data)

    namespace: dict[str, Any] = {}
    exec(f"async def handler({signature}): ...", namespace)
    router = Router()
    router.middleware(middleware)
    router.message.register(namespace["handler"])
    error = dispatch(router).error
    assert isinstance(error, RoutingError)
    assert "'shop'" in str(error)


def test_what_a_filter_gave_a_skipped_handler_does_not_reach_the_next():
    @provides("extra")
    def giving(message):
        return {"extra": 1}

    router = Router()

    @router.message(giving)
    async def first(message, extra):
        raise SkipHandler

    @router.message(giving, lambda message: False)
    async def second(message): ...

    @router.message()
    async def third(message, extra=None):
        return f"extra {extra}"

    assert texts(dispatch(router)) == ["extra None"]


class TestProviders:
    def provider(self, value="user"):
        self.calls: list[Any] = []

        async def django_user(event_data):
            self.calls.append(event_data["event"])
            await asyncio.sleep(0)
            return value

        return {"django_user": django_user}

    def test_a_handler_that_asks_gets_it_and_one_that_does_not_costs_nothing(self):
        router = Router()
        router.message(Command("who"))(lambda message, django_user: f"you are {django_user}")
        router.message()(lambda message: "hi")
        providers = self.provider()
        assert texts(dispatch(router, providers=providers)) == ["hi"]
        assert self.calls == []
        event = message_event("/who")
        assert texts(dispatch(router, event, providers=providers)) == ["you are user"]
        assert self.calls == [event.payload]

    def test_once_for_an_event_whoever_asks(self):
        class Requiring(BaseFilter):
            requires = ("django_user",)

            def __call__(self, message, event_data):
                return event_data["django_user"] == "other"

        async def asking(message, django_user):
            return django_user == "user"

        router = Router()

        @router.outer_middleware
        async def copying(handler, event, data):
            return await handler(event, {**data})

        router.message(Requiring())(lambda message: "no")
        router.message(asking, Requiring() | asking)(lambda message, django_user: django_user)
        router.error()(lambda event, django_user: django_user)
        providers = self.provider()
        assert texts(dispatch(router, providers=providers)) == ["user"]
        assert len(self.calls) == 1

    def test_error_handlers_share_it(self):
        router = Router()
        router.message()(lambda message, django_user: 1 / 0)
        router.error()(lambda event, django_user: f"sorry {django_user}")
        providers = self.provider()
        assert texts(dispatch(router, providers=providers)) == ["sorry user"]
        assert len(self.calls) == 1

    def test_a_filter_that_is_not_reached_does_not_cost_it(self):
        class Requiring(BaseFilter):
            requires = ("django_user",)

            def __call__(self, message, django_user):
                return True

        router = Router()
        router.message(Command("x") & Requiring(), flags={})(lambda message: "x")
        router.message(Command("y"), Requiring())(lambda message: "y")
        providers = self.provider()
        assert texts(dispatch(router, message_event("hi"), providers=providers)) == []
        assert self.calls == []
        assert texts(dispatch(router, message_event("/x"), providers=providers)) == ["x"]
        assert texts(dispatch(router, message_event("/y"), providers=providers)) == ["y"]
        assert len(self.calls) == 2

    def test_a_requirement_without_provider_is_refused(self):
        class Requiring(BaseFilter):
            requires = ("django_user",)

            def __call__(self, message):
                return True

        router = Router()
        router.message(Requiring())(lambda message: None)
        with pytest.raises(ConfigurationError, match="django_user"):
            Dispatcher([router])
