"""The list of broadcasts: its filters, its search, its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from vkteams_bot.admin.list_filters import StatusFilter, key_named
from vkteams_bot.admin.paging import NewestFirst
from vkteams_bot.admin.search import Rows
from vkteams_bot.broadcasts import Progress
from vkteams_bot.models import Broadcast


class BroadcastStatusFilter(StatusFilter):
    order = tuple(Broadcast.Status)


class AuthorFilter(admin.SimpleListFilter):
    """Who composed it; offered when there are several."""

    title = _("author")
    parameter_name = "author"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        written = Broadcast.objects.exclude(created_by=None).order_by().values("created_by").distinct()
        users = get_user_model()._default_manager.filter(pk__in=written)
        authors = [(str(user.pk), str(user)) for user in users]
        return authors if len(authors) > 1 or self.parameter_name in request.GET else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value is None:
            return queryset
        key = key_named(get_user_model(), value)
        return queryset.none() if key is None else queryset.filter(created_by=key)


class BroadcastList(NewestFirst):
    """Counts the rows of all broadcasts of a page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: Any = list(self.result_list)
        self.result_list = rows
        progress = Progress.of_many(rows)
        for row in rows:
            row.progress = progress.get(row.pk)


def exact(rows: Rows, term: str) -> list[Rows]:
    number = term.removeprefix("#")
    return [rows.filter(pk=int(number))] if number.isascii() and number.isdecimal() and len(number) < 19 else []
