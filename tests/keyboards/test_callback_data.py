"""Callback data with fields: what is packed comes back, what was not packed by this version does not."""

import enum
import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from tests.routing.events import dispatch, message_event, press_event, texts
from vkteams_bot import F, Router
from vkteams_bot.exceptions import ConfigurationError, InvalidCall, InvalidCallbackData
from vkteams_bot.filters import BaseFilter, CallbackData
from vkteams_bot.keyboards import CallbackDataFactory, InlineKeyboardBuilder
from vkteams_bot.keyboards.callback_data import LONGEST_BYTES
from vkteams_bot.routing import Status


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


class Colour(enum.StrEnum):
    RED = "red"
    ODD = "a:b%"


class Order(CallbackDataFactory, prefix="order"):
    id: int
    action: str


class Everything(CallbackDataFactory, prefix="all", version=3):
    text: str
    maybe_text: str | None
    flag: bool
    number: int
    maybe_number: int | None
    amount: Decimal
    ratio: float
    key: UUID
    size: Size
    colour: Colour | None
    step: Literal[1, 2]
    moment: datetime
    day: date
    hour: time
    bounded: Annotated[int, Field(ge=0)] | None


everything = st.builds(
    Everything,
    text=st.text() | st.text(":%@25A3"),
    maybe_text=st.none() | st.text(":%"),
    flag=st.booleans(),
    number=st.integers(-(10**30), 10**30),
    maybe_number=st.none() | st.integers(),
    amount=st.decimals(allow_nan=False, allow_infinity=False),
    ratio=st.floats(allow_nan=False),
    key=st.uuids(),
    size=st.sampled_from(Size),
    colour=st.none() | st.sampled_from(Colour),
    step=st.sampled_from([1, 2]),
    moment=st.datetimes() | st.datetimes(timezones=st.just(None)),
    day=st.dates(),
    hour=st.times(),
    bounded=st.none() | st.integers(0),
)


@given(everything)
def test_what_is_packed_comes_back(value):
    assert Everything.unpack(value.pack()) == value


@given(st.text(max_size=50), st.sampled_from(["|", ";", "~", "#", "\\"]))
def test_any_separator(text, mark):
    class Named(CallbackDataFactory, prefix="x", sep=mark):
        first: str
        second: str

    packed = Named(first=text, second=mark).pack()
    assert packed.count(mark) == 2
    assert Named.unpack(packed) == Named(first=text, second=mark)


@given(st.text() | st.from_regex(r"(order|all@\d|all)(:[^:]*){0,15}"))
def test_whatever_comes_is_read_or_refused(data):
    for factory in (Order, Everything):
        try:
            value = factory.unpack(data)
        except InvalidCallbackData:
            continue
        assert factory.unpack(value.pack()) == value


def test_the_text_is_short_and_readable():
    assert Order(id=1, action="buy").pack() == "order:1:buy"
    assert Order(id=1, action="").pack() == "order:1:%"
    assert Order(id=1, action="a:b").pack() == "order:1:a%3Ab"

    class Later(CallbackDataFactory, prefix="order", version=2):
        size: Size | None

    assert Later(size=Size.LARGE).pack() == "order@2:2"
    assert Later(size=None).pack() == "order@2:"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "order",
        "order:1",
        "order:1:buy:more",
        "order:one:buy",
        "order::buy",
        "orders:1:buy",
        "order@2:1:buy",
        "order@0:1:buy",
        "order@:1:buy",
        "order@x:1:buy",
        "order@²:1:buy",
        f"order@{'9' * 5000}:1:buy",
    ],
)
def test_foreign_and_broken_data_is_refused(data):
    with pytest.raises(InvalidCallbackData):
        Order.unpack(data)


def test_data_of_an_older_version_is_outdated():
    class New(CallbackDataFactory, prefix="order", version=2):
        id: int
        action: str

    with pytest.raises(InvalidCallbackData, match="version 1, which is outdated"):
        New.unpack("order:1:buy")
    with pytest.raises(InvalidCallbackData):
        Order.unpack(New(id=1, action="buy").pack())


def test_an_upgrade_reads_older_versions():
    class New(CallbackDataFactory, prefix="order", version=3):
        id: int
        action: str
        amount: int

        @classmethod
        def upgrade(cls, version, values):
            if version == 1:
                raise ValueError("too long ago")
            number, action = values
            return {"id": number, "action": action, "amount": 1}

    assert New.unpack("order@2:5:buy") == New(id=5, action="buy", amount=1)
    assert New.unpack("order@3:5:buy:7") == New(id=5, action="buy", amount=7)
    for data in ("order:5:buy", "order@2:5", "order@2:x:buy"):
        with pytest.raises(InvalidCallbackData):
            New.unpack(data)


def test_too_much_for_a_button():
    size = LONGEST_BYTES - len("order:1:")
    assert len(Order(id=1, action="x" * size).pack()) == LONGEST_BYTES
    with pytest.raises(InvalidCall, match=rf"^Order: {LONGEST_BYTES + 1} bytes do not fit") as raised:
        Order(id=1, action="я" * (size // 2) + "x").pack()
    assert "я" not in str(raised.value)


def test_what_no_button_can_carry():
    class Odd(CallbackDataFactory, prefix="odd"):
        items: tuple[int, ...]

    with pytest.raises(InvalidCall, match=r"^Odd.items: tuple does not fit"):
        Odd(items=(1,)).pack()
    with pytest.raises(InvalidCall, match="surrogate"):
        Order(id=1, action="\ud800").pack()


@pytest.mark.parametrize(
    "options",
    [
        {"prefix": ""},
        {"prefix": "a:b"},
        {"prefix": "a@2"},
        {"prefix": "a%"},
        {"prefix": "a", "sep": ""},
        {"prefix": "a", "sep": "::"},
        {"prefix": "a", "sep": "x"},
        {"prefix": "a", "sep": "%"},
        {"prefix": "a", "sep": "▀"},
        {"prefix": "a", "version": 0},
    ],
)
def test_wrong_declarations(options):
    with pytest.raises(ConfigurationError, match=r"^Wrong: "):

        class Wrong(CallbackDataFactory, **options):
            id: int


def test_values_are_frozen_and_complete():
    order = Order(id=1, action="buy")
    with pytest.raises(ValidationError):
        order.id = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Order(id=1, action="buy", amount=1)  # type: ignore[call-arg]
    assert {order, Order(id=1, action="buy")} == {order}


def test_the_builder_packs_it():
    keyboard = InlineKeyboardBuilder().button("Buy", callback_data=Order(id=1, action="buy")).as_markup()
    assert json.loads(keyboard.wire()) == [[{"text": "Buy", "callbackData": "order:1:buy"}]]


def press(*filters, data="order:1:buy"):
    """What the handler behind these filters got."""
    router = Router()
    router.callback_query(*filters)(lambda query, callback_data: repr(callback_data))
    outcome = dispatch(router, press_event(data))
    return texts(outcome)[0] if outcome.status is Status.HANDLED else None


def test_the_filter_gives_the_handler_the_value():
    assert press(Order.filter()) == repr(Order(id=1, action="buy"))
    assert press(Order.filter(F.action == "buy")) == repr(Order(id=1, action="buy"))
    assert press(Order.filter(F.action == "sell")) is None
    assert press(Order.filter(F.id > 1)) is None
    assert press(Order.filter(), data="order:1") is None
    assert press(Order.filter(), data="other") is None


def test_only_presses_fit():
    router = Router()
    router.message(Order.filter())(lambda message: "x")
    assert dispatch(router, message_event("order:1:buy")).status is Status.UNHANDLED


class Yes(BaseFilter):
    def __call__(self, event):
        return True


class Other(CallbackDataFactory, prefix="other"):
    name: str


def test_it_combines_with_all_kinds_of_filters():
    order = repr(Order(id=1, action="buy"))
    assert press(Order.filter() & Yes()) == press(Yes() & Order.filter()) == order
    assert press(Order.filter() & (F.from_user.user_id == "ann@corp")) == order
    assert press((F.from_user.user_id == "ann@corp") & Order.filter()) == order
    assert press(Order.filter() & ~Yes()) is None
    assert press(Order.filter() | Other.filter()) == order
    assert press(Order.filter() | Other.filter(), data="other:x") == repr(Other(name="x"))
    assert press(Order.filter() | CallbackData("plain"), data="plain") == repr("plain")
    assert press(~Other.filter() & Order.filter()) == order
    assert press(Order.filter() & ~Order.filter(F.id == 1)) is None


def test_a_handler_cannot_ask_for_what_its_filter_does_not_provide():
    router = Router()
    router.callback_query(~Order.filter())(lambda query, callback_data: "x")
    with pytest.raises(ConfigurationError, match="'callback_data'"):
        dispatch(router, press_event())


def test_uuids_are_packed_without_dashes():
    class Keyed(CallbackDataFactory, prefix="k"):
        key: UUID

    key = uuid4()
    assert Keyed(key=key).pack() == f"k:{key.hex}"
