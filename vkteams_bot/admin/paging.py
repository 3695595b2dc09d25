"""Lists of any size: no COUNT(*) over a huge table, no deep OFFSET, newest first by primary key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from vkteams_bot.admin.search import Search, SearchResult

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator


class CappedPaginator(AnyPaginator):
    """Counts to `most_counted` and pages no further; "older" goes on from there by primary key."""

    def __init__(self, *args: Any, most_counted: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.most_counted = most_counted

    @cached_property
    def _counted(self) -> int:
        """How many rows there are, up to one more than are paged."""
        rows: Any = self.object_list
        count: int = rows.order_by("-pk").values("pk")[: self.most_counted + 1].count()
        return count

    @cached_property
    def count(self) -> int:
        return min(self._counted, self.most_counted)

    @property
    def is_capped(self) -> bool:
        return self._counted > self.most_counted


class NewestFirst(ChangeList):
    """Django's list with a fixed order, a search that says how far it looked, and "older than these"."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Newest first, whatever the address asks for: any other order would sort the whole table."""
        return ["-pk"]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self.search_result: SearchResult | None = None
        term, self.query = self.query.strip(), ""
        try:
            queryset: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        finally:
            self.query = term
        model_admin: Any = self.model_admin
        queryset = model_admin.list_rows(queryset)
        search: Search | None = model_admin.search
        if term and search is not None:
            self.search_result = search.find(queryset, term)
            queryset = queryset.filter(pk__in=self.search_result.keys)
        return queryset

    @cached_property
    def estimate(self) -> int | None:
        """About how many rows the table has, from PostgreSQL's statistics; None when unknown or beside the point."""
        connection = connections[self.queryset.db]
        is_whole = not self.has_active_filters and self.search_result is None
        if not (self.paginator.is_capped and is_whole and connection.vendor == "postgresql"):
            return None
        with connection.cursor() as cursor:
            table = self.model._meta.db_table
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table])
            rows: int = cursor.fetchone()[0]
        return rows if rows > self.paginator.most_counted else None

    @property
    def older_url(self) -> str | None:
        """Leads from the last page to what is older, and from a search to what it has not read."""
        if self.search_result is not None:
            after = self.search_result.read_to
        elif self.paginator.is_capped and self.page_num == self.paginator.num_pages:
            after = self.result_list[len(self.result_list) - 1].pk
        else:
            after = None
        return None if after is None else self.get_query_string({"id__lt": str(after)}, ["p"])

    @property
    def newest_url(self) -> str | None:
        return self.get_query_string(remove=["id__lt", "p"]) if "id__lt" in self.filter_params else None
