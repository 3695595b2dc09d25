"""What all pages share: rows are written by the bot, lists are newest first and never counted to their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from vkteams_bot.admin.paging import CappedPaginator, NewestFirst
from vkteams_bot.admin.search import Search

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin
else:

    class ModelAdmin(admin.ModelAdmin):
        """`ModelAdmin[Update]` for the type checker; Django's class takes no parameters."""

        def __class_getitem__(cls, model: object) -> type:
            return cls


class RowAdmin(ModelAdmin[M]):
    """Nobody adds or deletes by hand: rows come with events and go with `prunebot`."""

    search: ClassVar[Search | None] = None
    lookups: ClassVar[frozenset[str]] = frozenset()
    """Query parameters that links use, besides those of the filters. Others could ask for a scan of the table."""

    most_counted: ClassVar[int] = 10_000
    """More rows than this are not counted: the page says "more than"."""

    ordering = ("-pk",)
    sortable_by = ()
    list_per_page = 100
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ("vkteams_bot/admin/admin.css",)}

    def list_rows(self, rows: QuerySet[M]) -> QuerySet[M]:
        """What the list loads of each row."""
        return rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestFirst

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Any:
        return CappedPaginator(queryset, per_page, *args, most_counted=self.most_counted, **kwargs)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Django shows the search box when there are any; what is searched, `search` says."""
        return ("pk",) if self.search is not None else ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        filters = {getattr(item, "parameter_name", item) for item in self.list_filter}
        return lookup.removesuffix("__id__exact") in filters or lookup in {"id__lt", *self.lookups}


class RecordAdmin(RowAdmin[M]):
    """Rows that nobody edits. The change permission is the right to act on them."""

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return super().has_view_permission(request, obj) or super().has_change_permission(request, obj)
