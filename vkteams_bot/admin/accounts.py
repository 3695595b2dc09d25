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
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from vkteams_bot.admin.actions import ActionsAdmin, QuerySetAction
from vkteams_bot.admin.base import RecordAdmin
from vkteams_bot.admin.display import EMPTY, ago, badge, list_url, one_line
from vkteams_bot.conf import conf
from vkteams_bot.models import BotAccount, OutgoingCall, Update
from vkteams_bot.registry import bots
from vkteams_bot.stores import inbox, outbox
from vkteams_bot.stores.accounts import account_of
from vkteams_bot.stores.conditions import report_of
from vkteams_bot.worker.delivery import bot_of
from vkteams_bot.worker.duty import duty_of


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

    def count(self, limit: int) -> RawSQL:
        """The number of these rows of an account, up to `limit`; one query has it for all listed accounts.

        The plus keeps SQLite from an index by account, which would read all rows of the bot.
        """
        table, account = (connection.ops.quote_name(model._meta.db_table) for model in (self.model, BotAccount))
        return RawSQL(
            f"(SELECT COUNT(*) FROM (SELECT 1 FROM {table} r WHERE r.status = '{self.status.value}' "
            f"AND +r.account_id = {account}.id LIMIT {limit}) AS counted)",
            (),
            output_field=IntegerField(),
        )


ATTENTION = (
    Kind(Update, Update.Status.FAILED, _("failed updates"), "bad"),
    Kind(Update, Update.Status.INVALID, _("not understood updates"), "doubt"),
    Kind(OutgoingCall, OutgoingCall.Status.UNKNOWN, _("unknown calls"), "doubt"),
    Kind(OutgoingCall, OutgoingCall.Status.FAILED, _("failed calls"), "bad"),
)
WAITING = (
    Kind(Update, Update.Status.PENDING, _("waiting updates"), "busy"),
    Kind(Update, Update.Status.RUNNING, _("running updates"), "busy"),
    Kind(Update, Update.Status.ALONE, _("updates running alone"), "busy"),
    Kind(Update, Update.Status.RETRY, _("updates to be retried"), "busy"),
    Kind(OutgoingCall, OutgoingCall.Status.QUEUED, _("waiting calls"), "busy"),
    Kind(OutgoingCall, OutgoingCall.Status.SENDING, _("calls being sent"), "busy"),
)


def _is_orphan(account: BotAccount) -> bool:
    """No bot of the settings may send what waits for it."""
    return bot_of(account) is None and OutgoingCall.objects.filter(account=account).waiting().exists()


def _can_move(account: BotAccount) -> bool:
    return account.alias in conf.aliases and _is_orphan(account)


def _move(accounts: QuerySet[BotAccount]) -> int:
    moved = 0
    for account in accounts:
        if _can_move(account):
            calls = OutgoingCall.objects.filter(account=account)
            moved += outbox.move(calls, account_of(bots[account.alias]))
    return moved


def _drop(accounts: QuerySet[BotAccount]) -> int:
    orphans = [account.pk for account in accounts if _is_orphan(account)]
    return outbox.drop(OutgoingCall.objects.filter(account__in=orphans).waiting())


def _moved(count: int) -> str:
    text = ngettext("%(count)d call was moved.", "%(count)d calls were moved.", count)
    return text % {"count": count}


def _dropped(count: int) -> str:
    return ngettext("%(count)d call was dropped.", "%(count)d calls were dropped.", count) % {"count": count}


MOVE = QuerySetAction[BotAccount](
    name="move_calls",
    label=_("Move waiting calls to the bot of today"),
    run=_move,
    applies=_can_move,
    done=_moved,
    left=_("There was nothing to move."),
    warning=_("They will be sent in the name of the bot that the settings have under this alias now."),
)
DROP = QuerySetAction[BotAccount](
    name="drop_calls",
    label=_("Drop waiting calls"),
    run=_drop,
    applies=_is_orphan,
    done=_dropped,
    left=_("There was nothing to drop."),
    warning=_("What is dropped will never be sent."),
)


@admin.register(BotAccount)
class BotAccountAdmin(RecordAdmin[BotAccount], ActionsAdmin[BotAccount]):
    row_actions = (MOVE, DROP)
    list_display = ("bot", "polling", "polled", "health", "attention", "waiting")
    fieldsets = (
        (None, {"fields": ["polling", "polled", "told", "busy", "delivery", "health", "error"]}),
        (_("Rows"), {"fields": ["attention", "waiting", "oldest"]}),
        (_("Identity"), {"fields": ["alias", "user_id", "nick", "name"]}),
        (_("Polling"), {"fields": ["last_event_id", "last_event_at", "epoch", "lease_owner", "lease_until"]}),
    )
    readonly_fields = flatten_fieldsets(fieldsets)

    def get_queryset(self, request: HttpRequest) -> QuerySet[BotAccount]:
        counts = {kind.counted_as: kind.count(self.most_counted + 1) for kind in (*ATTENTION, *WAITING)}
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

    @admin.display(description=_("what keeps it from answering"))
    def told(self, account: BotAccount) -> str | SafeString:
        """What the process that polls says of itself."""
        conditions = report_of(account).conditions
        if not conditions:
            return badge(gettext("nothing"), "good") if account.is_polled else EMPTY
        lines = ((badge(condition.key, "bad"), str(condition), ago(condition.since)) for condition in conditions)
        return format_html_join("", '<p>{} {} <span class="vkt-quiet">{}</span></p>', lines)

    @admin.display(description=_("handlers that run for long"))
    def busy(self, account: BotAccount) -> str | SafeString:
        lines = (
            (
                reverse(f"{self.admin_site.name}:vkteams_bot_update_change", args=[item.update]),
                item.handler,
                item.chat_id,
                ago(item.since),
            )
            for item in report_of(account).busy
        )
        return format_html_join("", '<p><a href="{}">{}</a> {} <span class="vkt-quiet">{}</span></p>', lines) or EMPTY

    @admin.display(description=_("oldest waiting update"))
    def oldest(self, account: BotAccount) -> str | SafeString:
        return ago(inbox.backlog(account.pk)[1])

    @admin.display(description=_("delivery"))
    def delivery(self, account: BotAccount) -> SafeString:
        duty = duty_of(account, timezone.now())
        if duty.is_neglected:
            return format_html("{} {}", badge(gettext("overdue"), "bad"), str(duty))
        return format_html("{}", str(duty))

    @admin.display(description=_("errors"))
    def health(self, account: BotAccount) -> str | SafeString:
        conditions = report_of(account).conditions
        if conditions:
            return badge(conditions[0].key, "bad", str(conditions[0]))
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
        counts = ((kind, getattr(account, kind.counted_as)) for kind in kinds)
        lines = (
            (
                list_url(kind.model, self.admin_site, status=kind.status.value, account=account.pk),
                kind.badge,
                kind.text,
                f"{self.most_counted}+" if count > self.most_counted else count,
            )
            for kind, count in counts
            if count
        )
        return format_html_join(" ", '<a class="vkt-badge vkt-{1}" href="{0}">{2}: {3}</a>', lines)
