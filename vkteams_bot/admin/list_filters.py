"""Filters of the lists. Each choice is answered by an index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.core.exceptions import ValidationError
from django.db.models import F, Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from vkteams_bot.models import BotAccount, ChatMessage, OutgoingCall, Update

# What becomes of nearly every row; the other statuses have an index each.
ORDINARY = (Update.Status.DONE, OutgoingCall.Status.SENT)


def key_named(model: type[Model], text: str) -> Any | None:
    """The primary key of this model that a query parameter names; None for a text that no row can have as its key."""
    try:
        return model._meta.pk.clean(text, None)
    except ValidationError:
        return None


class StatusFilter(SimpleListFilter):
    """Rows of one status; the statuses that need somebody come first."""

    title = _("status")
    parameter_name = "status"
    order: tuple[Any, ...] = ()

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [(status.value, status.label) for status in self.order]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value is None:
            return queryset
        return queryset.in_status(value) if value in self.order else queryset.none()


class UpdateStatusFilter(StatusFilter):
    order = (
        Update.Status.FAILED,
        Update.Status.INVALID,
        Update.Status.UNHANDLED,
        Update.Status.PENDING,
        Update.Status.RUNNING,
        Update.Status.ALONE,
        Update.Status.RETRY,
        Update.Status.SKIPPED,
        Update.Status.DONE,
    )


class CallStatusFilter(StatusFilter):
    order = (
        OutgoingCall.Status.UNKNOWN,
        OutgoingCall.Status.FAILED,
        OutgoingCall.Status.QUEUED,
        OutgoingCall.Status.SENDING,
        OutgoingCall.Status.DROPPED,
        OutgoingCall.Status.SENT,
    )


class AccountFilter(SimpleListFilter):
    """Rows of one bot; offered when there are several."""

    title = _("bot")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        accounts = [(str(account.pk), str(account)) for account in BotAccount.objects.order_by("alias", "pk")]
        return accounts if len(accounts) > 1 or self.parameter_name in request.GET else []

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value is None:
            return queryset
        key = key_named(BotAccount, value)
        if key is None:
            return queryset.none()
        if request.GET.get(StatusFilter.parameter_name) not in (None, *ORDINARY):
            # The few of a status are found by its own index; SQLite would read all of the bot's rows instead.
            return queryset.alias(_account=F("account_id") + 0).filter(_account=key)
        return queryset.filter(account=key)


class MessageFilter(SimpleListFilter):
    title = _("direction")
    parameter_name = "which"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [*ChatMessage.Direction.choices, ("deleted", _("deleted"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value is None:
            return queryset
        if value == "deleted":
            return queryset.deleted()
        return queryset.going(value) if value in ChatMessage.Direction.values else queryset.none()


class DialogFilter(SimpleListFilter):
    title = _("dialog")
    parameter_name = "dialog"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Iterable[tuple[str, Any]]:
        return [("on", _("going on")), ("expired", _("expired"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "on":
                return queryset.in_dialog()
            case "expired":
                return queryset.expired()
        return queryset
