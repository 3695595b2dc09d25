"""Lists of any size: no COUNT(*) over a huge table, no deep OFFSET, newest first by primary key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from vkteams_bot.admin.search import Found, Search

COUNTED = 10_000


if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator


class CappedPaginator(AnyPaginator):
    """Counts to COUNTED and pages no further; "older" goes on from there by primary key."""

    @cached_property
    def _found(self) -> int:
        rows: Any = self.object_list
        count: int = rows.order_by("-pk").values("pk")[: COUNTED + 1].count()
        return count

    @cached_property
    def count(self) -> int:
        return min(self._found, COUNTED)

    @property
    def is_capped(self) -> bool:
        return self._found > COUNTED


class NewestFirst(ChangeList):
    """Django's list with a fixed order, a search that says how far it looked, and "older than these"."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Whatever the address asks for: any other order would sort the whole table."""
        return ["-pk"]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self.found: Found | None = None
        term, self.query = self.query.strip(), ""
        try:
            queryset: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        finally:
            self.query = term
        model_admin: Any = self.model_admin
        queryset = model_admin.list_rows(queryset)
        search: Search | None = model_admin.search
        if term and search is not None:
            self.found = search.find(queryset, term)
            queryset = queryset.filter(pk__in=self.found.keys)
        return queryset

    @property
    def counted(self) -> int:
        return COUNTED

    @cached_property
    def estimate(self) -> int | None:
        """About how many rows the table has, from PostgreSQL's statistics; None when unknown or beside the point."""
        connection = connections[self.queryset.db]
        if not self.paginator.is_capped or self.has_active_filters or self.found or connection.vendor != "postgresql":
            return None
        with connection.cursor() as cursor:
            table = self.model._meta.db_table
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [table])
            rows: int = cursor.fetchone()[0]
        return rows if rows > COUNTED else None

    @property
    def older_url(self) -> str | None:
        """From the last page on, or on to what the search has not read: what is older than that."""
        if self.found is not None:
            after = self.found.read_to
        elif self.paginator.is_capped and self.page_num == self.paginator.num_pages:
            after = self.result_list[len(self.result_list) - 1].pk
        else:
            after = None
        return None if after is None else self.get_query_string({"id__lt": str(after)}, ["p"])

    @property
    def newest_url(self) -> str | None:
        return self.get_query_string(remove=["id__lt", "p"]) if "id__lt" in self.filter_params else None
