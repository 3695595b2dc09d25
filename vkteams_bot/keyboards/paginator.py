"""Paginator: many items, a page of them at a time, with buttons to turn the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar, cast

from magic_filter import F

from vkteams_bot.keyboards.builder import InlineKeyboardBuilder
from vkteams_bot.keyboards.callback_data import CallbackDataFactory, CallbackDataFilter
from vkteams_bot.keyboards.inline_keyboard import Button, NewButton

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class PageData(CallbackDataFactory, prefix="vkteams-page"):
    """What the buttons that turn pages carry: whose pages, and which one, from 1."""

    paginator: str
    page: int


class Slice(Protocol[T_co]):
    def __iter__(self) -> Iterator[T_co]: ...
    def __aiter__(self) -> AsyncIterator[T_co]: ...


class Rows(Protocol[T_co]):
    """The part of a Django queryset that is used here."""

    def count(self) -> int: ...
    async def acount(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Slice[T_co]: ...


class Query(Protocol[T_co]):
    """A Django queryset or manager. `all()` gives rows that have not been fetched yet."""

    def all(self) -> Rows[T_co]: ...


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. `number` is counted from 1, `pages` is at least 1, `count` is that of all items."""

    paginator: Paginator[T]
    number: int
    pages: int
    count: int
    items: Sequence[T]

    def keyboard(self) -> InlineKeyboardBuilder:
        """A button for each item, and below them, if there are several pages, the row ◀ 2/7 ▶."""
        return self.paginator.keyboard_of(self)


class Paginator(Generic[T]):
    """Pages of a sequence, or of a queryset, of which it fetches a count and one page. Give the queryset an order.

    `prefix` tells the presses of several paginators apart. `label` and `callback_data` make the button of an item;
    without `callback_data` items have none, and a page is shown by its text. `width` buttons stand in a row.
    """

    def __init__(
        self,
        items: Sequence[T] | Query[T],
        *,
        prefix: str,
        per_page: int = 10,
        width: int = 1,
        label: Callable[[T], str] = str,
        callback_data: Callable[[T], str | CallbackDataFactory] | None = None,
    ) -> None:
        if per_page < 1 or width < 1:
            raise ValueError("per_page and width must be positive")
        self.items = items
        self.prefix = prefix
        self.per_page = per_page
        self._width = width
        self._label = label
        self._callback_data = callback_data

    def over(self, items: Sequence[T] | Query[T]) -> Self:
        """This paginator over other items, such as those of the person who asks."""
        other = copy(self)
        other.items = items
        return other

    def filter(self) -> CallbackDataFilter:
        """Filter of the presses that turn its pages: `callback_data.page` is the page that is asked for."""
        return PageData.filter(F.paginator == self.prefix)

    def page(self, number: int = 1) -> Page[T]:
        """Page `number`, or the nearest that there is now. Two queries for a queryset."""
        rows = _rows(self.items)
        if rows is None:
            return self._page_of_sequence(number)
        count = rows.count()
        part, number, pages = self._cut(number, count)
        return Page(self, number, pages, count, list(rows[part]))

    async def apage(self, number: int = 1) -> Page[T]:
        """Page `number` as of `page`, in async code."""
        rows = _rows(self.items)
        if rows is None:
            return self._page_of_sequence(number)
        count = await rows.acount()
        part, number, pages = self._cut(number, count)
        return Page(self, number, pages, count, [item async for item in rows[part]])

    def keyboard(self, page: int = 1) -> InlineKeyboardBuilder:
        """The keyboard of a page."""
        return self.page(page).keyboard()

    async def akeyboard(self, page: int = 1) -> InlineKeyboardBuilder:
        """The keyboard of a page, in async code."""
        return (await self.apage(page)).keyboard()

    def keyboard_of(self, page: Page[T]) -> InlineKeyboardBuilder:
        builder = InlineKeyboardBuilder()
        if self._callback_data is not None:
            for item in page.items:
                builder.button(self._label(item), callback_data=self._callback_data(item))
            builder.adjust(self._width)
        if page.pages > 1:
            builder.row(*self._navigation(page))
        return builder

    def _navigation(self, page: Page[T]) -> Iterator[Button]:
        if page.number > 1:
            yield self._turn("◀", page.number - 1)
        yield self._turn(f"{page.number}/{page.pages}", page.number)
        if page.number < page.pages:
            yield self._turn("▶", page.number + 1)

    def _turn(self, text: str, number: int) -> Button:
        return NewButton(text=text, callback_data=PageData(paginator=self.prefix, page=number).pack())

    def _page_of_sequence(self, number: int) -> Page[T]:
        items = cast("Sequence[T]", self.items)
        part, number, pages = self._cut(number, len(items))
        return Page(self, number, pages, len(items), items[part])

    def _cut(self, number: int, count: int) -> tuple[slice, int, int]:
        pages = max(1, -(-count // self.per_page))
        number = min(max(1, number), pages)
        start = (number - 1) * self.per_page
        return slice(start, start + self.per_page), number, pages


def _rows(items: Sequence[T] | Query[T]) -> Rows[T] | None:
    """The rows of a queryset, fetched anew each time; None for a sequence."""
    every = getattr(items, "all", None)
    return None if every is None else every()
