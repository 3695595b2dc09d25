"""Paginator: pages of sequences and of querysets, with buttons to turn them."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.routing.events import dispatch, press_event, texts
from vkteams_bot import Router
from vkteams_bot.keyboards import CallbackDataFactory, PageData, Paginator
from vkteams_bot.models import BotAccount
from vkteams_bot.routing import Status
from vkteams_bot.stores.threads import HandlerThreads


class Show(CallbackDataFactory, prefix="show"):
    id: int


def labels(keyboard):
    return [[button.text for button in row] for row in keyboard.as_markup()]


def targets(keyboard):
    """The pages that the last row leads to."""
    return [PageData.unpack(button.callback_data) for button in list(keyboard.as_markup())[-1]]


def letters(count, **options):
    options = {"prefix": "letters", "per_page": 3, "callback_data": str.upper, **options}
    return Paginator([chr(ord("a") + number) for number in range(count)], **options)


@pytest.mark.parametrize(
    ("page", "rows"),
    [
        (1, [["a"], ["b"], ["c"], ["1/3", "▶"]]),
        (2, [["d"], ["e"], ["f"], ["◀", "2/3", "▶"]]),
        (3, [["g"], ["◀", "3/3"]]),
        (4, [["g"], ["◀", "3/3"]]),
        (10**30, [["g"], ["◀", "3/3"]]),
        (0, [["a"], ["b"], ["c"], ["1/3", "▶"]]),
        (-5, [["a"], ["b"], ["c"], ["1/3", "▶"]]),
    ],
)
def test_keyboard(page, rows):
    assert labels(letters(7).keyboard(page)) == rows
    assert labels(asyncio.run(letters(7).akeyboard(page))) == rows


def test_navigation_leads_to_the_pages():
    assert targets(letters(7).keyboard(2)) == [PageData(paginator="letters", page=page) for page in (1, 2, 3)]


def test_one_page_needs_no_navigation_and_none_no_buttons():
    assert labels(letters(3).keyboard()) == [["a"], ["b"], ["c"]]
    assert labels(letters(0).keyboard()) == []
    page = letters(0).page(5)
    assert (page.number, page.pages, page.count, list(page.items)) == (1, 1, 0, [])


def test_labels_data_and_width():
    paginator = Paginator(
        range(1, 6), prefix="n", per_page=5, width=2, label=lambda n: f"№ {n}", callback_data=lambda n: Show(id=n)
    )
    assert labels(paginator.keyboard()) == [["№ 1", "№ 2"], ["№ 3", "№ 4"], ["№ 5"]]
    assert [button.callback_data for button in paginator.keyboard().as_markup().buttons][:2] == ["show:1", "show:2"]


def test_items_may_be_shown_by_the_text_alone():
    paginator = letters(4, callback_data=None)
    page = paginator.page(2)
    assert (page.number, page.pages, page.count, list(page.items)) == (2, 2, 4, ["d"])
    assert labels(page.keyboard()) == [["◀", "2/2"]]


@given(st.integers(0, 40), st.integers(1, 9))
def test_pages_hold_every_item_once(count, per_page):
    paginator = Paginator(range(count), prefix="n", per_page=per_page)
    pages = [paginator.page(number) for number in range(1, paginator.page().pages + 1)]
    assert [item for page in pages for item in page.items] == list(range(count))
    assert all(len(page.items) == per_page for page in pages[:-1])


@pytest.mark.parametrize("options", [{"per_page": 0}, {"width": 0}])
def test_sizes_must_be_positive(options):
    with pytest.raises(ValueError, match="must be positive"):
        Paginator([], prefix="x", **options)


class Lazy(Sequence):
    """Tells what was read of it."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return 1000

    def __getitem__(self, part):
        self.read.append(part)
        return [part.start]


def test_a_sequence_is_not_read_whole():
    items = Lazy()
    assert list(Paginator(items, prefix="x", per_page=10).page(3).items) == [20]
    assert items.read == [slice(20, 30)]


def test_each_paginator_hears_its_own_presses():
    router = Router()
    apples, pears = letters(9, prefix="apples"), letters(9, prefix="pears")
    router.callback_query(apples.filter())(lambda query, callback_data: f"apples {callback_data.page}")
    router.callback_query(pears.filter())(lambda query, callback_data: f"pears {callback_data.page}")

    def press(keyboard):
        data = keyboard.as_markup().buttons[-1].callback_data
        return texts(dispatch(router, press_event(data)))[0]

    assert press(apples.keyboard()) == "apples 2"
    assert press(pears.keyboard(2)) == "pears 3"
    assert press(pears.over("abcdefgh").keyboard(2)) == "pears 3"
    assert dispatch(router, press_event("show:1")).status is Status.UNHANDLED


def test_over_other_items_changes_nothing_else():
    paginator = letters(9, width=3)
    assert labels(paginator.over("xyzw").keyboard()) == [["x", "y", "z"], ["1/2", "▶"]]
    assert labels(paginator.keyboard()) == [["a", "b", "c"], ["1/3", "▶"]]


@pytest.mark.orm
class TestQuerysets:
    @pytest.fixture(autouse=True)
    def accounts(self, db):
        BotAccount.objects.bulk_create(BotAccount(alias=f"bot{number}", user_id=str(number)) for number in range(7))

    def paginator(self, items):
        return Paginator(
            items,
            prefix="accounts",
            per_page=3,
            label=lambda account: account.alias,
            callback_data=lambda account: Show(id=account.pk),
        )

    def test_two_queries_for_one_page(self, django_assert_num_queries):
        paginator = self.paginator(BotAccount.objects.order_by("user_id"))
        with django_assert_num_queries(2) as queries:
            keyboard = paginator.keyboard(2)
        assert labels(keyboard) == [["bot3"], ["bot4"], ["bot5"], ["◀", "2/3", "▶"]]
        assert "COUNT(*)" in queries[0]["sql"]
        assert "LIMIT 3 OFFSET 3" in queries[1]["sql"]

    def test_it_sees_what_has_changed(self):
        paginator = self.paginator(BotAccount.objects.order_by("user_id"))
        assert labels(paginator.keyboard(3))[-1] == ["◀", "3/3"]
        BotAccount.objects.exclude(user_id__in=["0", "1"]).delete()
        assert labels(paginator.keyboard(3)) == [["bot0"], ["bot1"]]

    def test_a_queryset_that_was_fetched_is_fetched_anew(self, django_assert_num_queries):
        accounts = BotAccount.objects.order_by("user_id")
        assert len(accounts) == 7
        with django_assert_num_queries(2):
            self.paginator(accounts).keyboard()

    def test_a_manager_and_values(self):
        assert self.paginator(BotAccount.objects).page().count == 7
        names = Paginator(BotAccount.objects.order_by("-alias").values_list("alias", flat=True), prefix="n", per_page=2)
        assert list(names.page(4).items) == ["bot0"]


@pytest.mark.orm
@pytest.mark.django_db(transaction=True)
def test_a_queryset_in_async_code():
    BotAccount.objects.bulk_create(BotAccount(alias=f"bot{number}", user_id=str(number)) for number in range(4))
    paginator = Paginator(
        BotAccount.objects.order_by("user_id"),
        prefix="accounts",
        per_page=3,
        label=lambda account: account.alias,
        callback_data=lambda account: Show(id=account.pk),
    )
    threads = HandlerThreads(1)

    async def main():
        with threads.assigned():
            return await paginator.akeyboard(9)

    try:
        assert labels(asyncio.run(main())) == [["bot3"], ["◀", "2/2"]]
    finally:
        threads.close()
