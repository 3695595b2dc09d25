"""Is the bot polled, by whom, since when does it fail, and how much needs somebody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import connection
from django.db.models import IntegerField, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from vkteams_bot.admin.base import RecordAdmin
from vkteams_bot.admin.display import EMPTY, ago, badge, list_url, one_line
from vkteams_bot.admin.paging import COUNTED
from vkteams_bot.models import BotAccount, OutgoingCall, Update


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows that the pages count: a status with a partial index, so that what is finished costs nothing."""

    model: type[Update | OutgoingCall]
    status: Update.Status | OutgoingCall.Status
    text: Any
    badge: str

    @property
    def counted_as(self) -> str:
        return f"{self.model._meta.model_name}_{self.status}"

    @property
    def count(self) -> RawSQL:
        """Of one account, up to COUNTED + 1; for all listed accounts in one query.

        The plus keeps SQLite from an index by account, which would read all rows of the bot.
        """
        table, account = (connection.ops.quote_name(model._meta.db_table) for model in (self.model, BotAccount))
        return RawSQL(
            f"(SELECT COUNT(*) FROM (SELECT 1 FROM {table} r WHERE r.status = '{self.status.value}' "
            f"AND +r.account_id = {account}.id LIMIT {COUNTED + 1}) AS counted)",
            (),
            output_field=IntegerField(),
        )


ATTENTION = (
    Kind(Update, Update.Status.FAILED, _("failed updates"), "bad"),
    Kind(Update, Update.Status.INVALID, _("not understood updates"), "doubt"),
    Kind(OutgoingCall, OutgoingCall.Status.UNKNOWN, _("unknown calls"), "doubt"),
    Kind(OutgoingCall, OutgoingCall.Status.FAILED, _("refused calls"), "bad"),
)
WAITING = (
    Kind(Update, Update.Status.PENDING, _("waiting updates"), "busy"),
    Kind(Update, Update.Status.RUNNING, _("running updates"), "busy"),
    Kind(Update, Update.Status.RETRY, _("updates to be retried"), "busy"),
    Kind(OutgoingCall, OutgoingCall.Status.QUEUED, _("waiting calls"), "busy"),
    Kind(OutgoingCall, OutgoingCall.Status.SENDING, _("calls being sent"), "busy"),
)


@admin.register(BotAccount)
class BotAccountAdmin(RecordAdmin[BotAccount]):
    list_display = ("bot", "polling", "polled", "health", "attention", "waiting")
    fieldsets = (
        (None, {"fields": ["polling", "polled", "health", "error", "attention", "waiting"]}),
        (_("Identity"), {"fields": ["alias", "user_id", "nick", "name"]}),
        (_("Polling"), {"fields": ["last_event_id", "lease_owner", "lease_until"]}),
    )
    readonly_fields = flatten_fieldsets(fieldsets)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BotAccount]:
        counts = {kind.counted_as: kind.count for kind in (*ATTENTION, *WAITING)}
        return super().get_queryset(request).annotate(**counts)

    @admin.display(description=_("bot"))
    def bot(self, account: BotAccount) -> str:
        return str(account)

    @admin.display(description=_("polling"))
    def polling(self, account: BotAccount) -> SafeString:
        if not account.is_polled:
            hint = gettext("No process holds the lease: start runbot.")
            return badge(gettext("not polled"), "bad", hint)
        host, _colon, rest = account.lease_owner.partition(":")
        process = rest.partition(":")[0]
        by = gettext("by process %(process)s on %(host)s") % {"process": process, "host": host} if process else host
        return format_html('{} <span class="vkt-quiet">{}</span>', badge(gettext("polled"), "good"), by)

    @admin.display(description=_("last poll"))
    def polled(self, account: BotAccount) -> str | SafeString:
        return ago(account.polled_at)

    @admin.display(description=_("errors"))
    def health(self, account: BotAccount) -> str | SafeString:
        if account.last_error_at is None:
            return badge(gettext("none yet"), "good")
        failing = account.is_failing
        text, kind = (gettext("failing"), "bad") if failing else (gettext("recovered"), "quiet")
        mark = badge(text, kind, one_line(account.last_error))
        return format_html("{} {}", mark, ago(account.last_error_at))

    @admin.display(description=_("last error"))
    def error(self, account: BotAccount) -> str | SafeString:
        if not account.last_error:
            return EMPTY
        return format_html('<p class="vkt-error vkt-text">{}</p>{}', account.last_error, ago(account.last_error_at))

    @admin.display(description=_("needs attention"))
    def attention(self, account: BotAccount) -> SafeString:
        return self._links(account, ATTENTION) or badge(gettext("nothing"), "good")

    @admin.display(description=_("waiting"))
    def waiting(self, account: BotAccount) -> str | SafeString:
        return self._links(account, WAITING) or EMPTY

    def _links(self, account: BotAccount, kinds: Iterable[Kind]) -> SafeString:
        """A badge with the number for each kind that there is, leading to the list of them."""
        found = ((kind, getattr(account, kind.counted_as)) for kind in kinds)
        lines = (
            (
                list_url(kind.model, self.admin_site, status=kind.status.value, account=account.pk),
                kind.badge,
                kind.text,
                f"{COUNTED}+" if count > COUNTED else count,
            )
            for kind, count in found
            if count
        )
        return format_html_join(" ", '<a class="vkt-badge vkt-{1}" href="{0}">{2}: {3}</a>', lines)
