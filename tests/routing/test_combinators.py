"""`&`, `|`, `~` over filters of every sort."""

import asyncio
import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from magic_filter import F

from tests.routing.events import conversation, dispatch, message_event, press_event, texts
from vkteams_bot.exceptions import ConfigurationError, RoutingError
from vkteams_bot.filters import BaseFilter, Command, RegexpFilter
from vkteams_bot.fsm import State, StatesGroup
from vkteams_bot.routing import Router


class Form(StatesGroup):
    name = State()
    other = State()


class Plain(BaseFilter):
    def __init__(self, result, log=None):
        self.result = result
        self.log = log if log is not None else []

    def __call__(self, event):
        self.log.append(self.result)
        return self.result


class Async(Plain):
    async def __call__(self, event):
        await asyncio.sleep(0)
        return super().__call__(event)


kinds = st.sampled_from([Plain, Async])
leaves = st.builds(lambda kind, yes: (kind(yes), yes), kinds, st.booleans())
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda a, b: (a[0] & b[0], a[1] and b[1]), inner, inner),
        st.builds(lambda a, b: (a[0] | b[0], a[1] or b[1]), inner, inner),
        st.builds(lambda a: (~a[0], not a[1]), inner),
    ),
    max_leaves=8,
)


def passes(*filters, event=None, state=None, observer="message"):
    router = Router()
    getattr(router, observer)(*filters)(_yes)
    outcome = dispatch(router, event, state=state)
    if outcome.error is not None:
        raise outcome.error
    return texts(outcome) == ["yes"]


async def _yes(event):
    return "yes"


def called(filter_):
    result = filter_(message_event().payload)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result):
    return await result


@given(expressions)
def test_any_expression_means_what_python_means(pair):
    filter_, expected = pair
    assert passes(filter_) is expected
    assert bool(called(filter_)) is expected


@given(leaves, leaves)
def test_de_morgan(a, b):
    assert passes(~(a[0] & b[0])) == passes(~a[0] | ~b[0])
    assert passes(~(a[0] | b[0])) == passes(~a[0] & ~b[0])
    assert passes(~~a[0]) == passes(a[0])


@given(kinds, kinds, st.booleans(), st.booleans())
def test_the_second_is_asked_only_when_it_decides(first, second, yes, other):
    for combine, asked in [(lambda a, b: a & b, yes), (lambda a, b: a | b, not yes)]:
        log: list[Any] = []
        unused: list[Any] = []
        passes(combine(first(yes, log), second(other, unused)))
        assert log == [yes]
        assert unused == ([other] if asked else [])


@pytest.mark.parametrize("kind", [Plain, Async])
def test_of_several_filters_the_first_no_decides(kind):
    log: list[Any] = []
    assert not passes(kind(True, log), kind(False, log), kind("never", log))
    assert log == [True, False]


def test_plain_parts_make_a_plain_whole():
    for filter_ in (Plain(True) & Plain(True), Plain(True) | Plain(True), ~Plain(True), ~(Plain(True) & F.text)):
        assert not inspect.isawaitable(filter_(message_event().payload))
    slow: list[Any] = [Plain(True) & Async(True), Async(False) | Plain(True), ~Async(True)]
    for filter_ in slow:
        result: Any = filter_(message_event().payload)
        assert inspect.isawaitable(result)
        asyncio.run(_awaited(result))


@pytest.mark.parametrize("result", [0, "", None, [], {}, ()])
@pytest.mark.parametrize("kind", [Plain, Async])
def test_what_is_false_means_no(kind, result):
    assert not passes(kind(result))
    assert not passes(kind(result) & Plain(True))
    assert passes(~kind(result))
    assert not passes(Plain(False) | kind(result))


@pytest.mark.parametrize("result", [1, "x", [0], {"a": 1}])
@pytest.mark.parametrize("kind", [Plain, Async])
def test_what_is_true_means_yes(kind, result):
    assert passes(kind(result))
    assert passes(kind(result) & Plain(True))
    assert passes(kind(result) | Plain(False))
    assert not passes(~kind(result))


def test_dicts_of_both_sides_are_joined_and_either_takes_the_first():
    def run(filter_):
        got = {}
        router = Router()

        @router.message(filter_)
        async def handler(message, **rest):
            got.update(rest)

        dispatch(router)
        return {name: got[name] for name in ("a", "b") if name in got}

    one, two = {"a": 1}, {"a": 2, "b": 2}
    for kind in (Plain, Async):
        assert run(kind(one) & Plain(two)) == {"a": 2, "b": 2}
        assert run(kind(one) & Plain(True)) == {"a": 1}
        assert run(Plain(True) & kind(two)) == two
        assert run(kind(one) | Plain(two)) == one
        assert run(Plain(False) | kind(two)) == two
        assert run(~kind(False)) == {}
        assert run(~~kind(one)) == {}


def test_a_plain_filter_that_gives_something_to_await_is_an_error_and_not_a_yes():
    async def inner(message):
        return False

    for filter_ in (lambda message: inner(message), Plain(True) & (lambda message: inner(message))):
        with pytest.raises(RoutingError, match="async def"):
            passes(filter_)


@pytest.mark.parametrize(
    ("filter_", "yes", "no"),
    [
        (F.text == "hello", "hello", "other"),
        (F.text.startswith("hi"), "hi there", "hello"),
        (F.from_user.user_id == "ann@corp", "x", None),
        (F.chat.type == "private", "x", None),
        (F.chat.type.in_(["private", "group"]), "x", None),
        (~F.text.contains("x"), "y", "x"),
        (F.text.len() > 3, "long", "sho"),
        ((F.text == "a") | (F.text == "b"), "b", "c"),
    ],
)
def test_magic(filter_, yes, no):
    assert passes(filter_, event=message_event(yes))
    assert no is None or not passes(filter_, event=message_event(no))


def test_magic_sees_callback_data():
    assert passes(F.callback_data == "x", event=press_event("x"), observer="callback_query")
    assert not passes(F.callback_data == "x", event=press_event("y"), observer="callback_query")


def by_length(message):
    return len(message.text) > 3


@pytest.mark.parametrize(
    ("filter_", "truth"),
    [
        (F.text & Command("abc"), {"/abc": True, "/x": False}),
        (Command("abc") & F.text, {"/abc": True, "/x": False}),
        (F.text.startswith("b") | Command("abc"), {"/abc": True, "bc": True, "/x": False}),
        (~(F.text & Command("abc")), {"/abc": False, "/x": True}),
        (~F.text.startswith("/") & ~Command("abc"), {"/abc": False, "/x": False, "x": True}),
        (F.text.startswith("/") & ~Command("abc") & ~RegexpFilter("z"), {"/abc": False, "/z": False, "/x": True}),
        (F.text & (F.text.startswith("q") | Command("abc")), {"/abc": True, "/x": False, "q": True}),
        (F.text & by_length, {"abcd": True, "abc": False}),
        (Command("abc") | by_length, {"/abc": True, "abcd": True, "abc": False}),
        (F.text.startswith("/") & Form.name, {"/x": False}),
        (Command("abc") | (F.text == "q"), {"/abc": True, "q": True, "x": False}),
    ],
)
def test_magic_and_other_filters_combine_in_either_order(filter_, truth):
    for text, expected in truth.items():
        assert passes(filter_, event=message_event(text)) is expected, text


def test_states_combine():
    here, there = conversation("Form:name"), conversation("Form:other")
    for filter_ in (Form.name & F.text, F.text & Form.name, Form.name & Plain(True), Plain(True) & Form.name):
        assert passes(filter_, state=here)
        assert not passes(filter_, state=there)
    assert passes(Form & Plain(True), state=there)
    assert passes(Form | Plain(False), state=there)
    assert not passes(Form & Plain(True), state=conversation())


def test_magic_and_a_filter_combine_by_and_or_not_alone():
    with pytest.raises(ConfigurationError, match="combine"):
        Router().message((F.text & Command("x")).lower())


def test_the_left_one_is_asked_first_beside_magic_too():
    log = []

    def noting(message):
        log.append(message.text)
        return True

    assert not passes(noting & (F.text == "other"))
    assert log == ["hi"]
    assert not passes((F.text == "other") & noting)
    assert log == ["hi"]
