"""The inbox: what came, what became of it, and why it failed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Left, Right
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from vkteams_bot.admin.actions import ActionsAdmin, QuerySetAction
from vkteams_bot.admin.base import RecordAdmin
from vkteams_bot.admin.calls import call_badge
from vkteams_bot.admin.chats import log_link
from vkteams_bot.admin.display import (
    EMPTY,
    ago,
    badge,
    folded,
    ids,
    last_line,
    lasted,
    link,
    list_url,
    one_line,
    pretty,
    row_link,
    said,
)
from vkteams_bot.admin.list_filters import AccountFilter, UpdateStatusFilter
from vkteams_bot.admin.search import Rows, Search
from vkteams_bot.models import BotAccount, Contact, Conversation, OutgoingCall, Update
from vkteams_bot.stores import inbox

KINDS = {
    Update.Status.PENDING: "busy",
    Update.Status.RUNNING: "busy",
    Update.Status.ALONE: "busy",
    Update.Status.RETRY: "busy",
    Update.Status.DONE: "good",
    Update.Status.UNHANDLED: "quiet",
    Update.Status.FAILED: "bad",
    Update.Status.INVALID: "doubt",
    Update.Status.SKIPPED: "quiet",
}
CALLS_SHOWN = 20


def _exact(rows: Rows, term: str) -> list[Rows]:
    arms = [rows.of_chat(term), rows.of_user_in_groups(term)]
    digits = term.removeprefix("#")
    if digits.removeprefix("-").isdecimal() and len(digits) < 19:
        accounts = BotAccount.objects.values_list("pk", flat=True)
        # As a subquery: SQLite would walk all updates of the account in their order instead.
        same = [Update.objects.filter(account=key, event_id=int(digits)) for key in accounts]
        arms += [rows.filter(pk__in=found.values("pk")) for found in same]
    return arms


def _retried(count: int) -> str:
    text = ngettext("%(count)d update will be handled again.", "%(count)d updates will be handled again.", count)
    return text % {"count": count}


RETRY = QuerySetAction[Update](
    name="retry",
    label=_("Retry"),
    list_label=_("Retry selected updates"),
    run=inbox.retry,
    applies=lambda update: update.status in Update.RETRYABLE,
    done=_retried,
)


@admin.register(Update)
class UpdateAdmin(RecordAdmin[Update], ActionsAdmin[Update]):
    row_actions = (RETRY,)
    search = Search(_exact)
    search_help_text = _("A whole chat id, user id or event number.")
    list_display = ("status_badge", "event", "came", "content", "who")
    list_display_links = ("status_badge", "event")
    list_filter = (UpdateStatusFilter, AccountFilter)

    def list_rows(self, rows: QuerySet[Update]) -> QuerySet[Update]:
        # Payloads and tracebacks may be long; the list shows a line of each.
        pieces = {"said": Left(KT("payload__payload__text"), 200), "error_end": Right("error", 300)}
        return rows.defer("payload", "error").annotate(**pieces)

    def get_fieldsets(self, request: HttpRequest, obj: Update | None = None) -> Any:
        may = request.user.has_perms
        related = [
            *(["calls"] if may(["vkteams_bot.view_outgoingcall"]) else []),
            *(["conversation"] if may(["vkteams_bot.view_conversation"]) else []),
            *(["chat"] if may(["vkteams_bot.view_chat"]) else []),
            *(["contact"] if may(["vkteams_bot.view_contact"]) else []),
        ]
        crashes = ["attempts", "alone_runs", "crashed_in"]
        return [
            (None, {"fields": ["status_badge", "came", "took", "handler", *crashes, "traceback"]}),
            (_("Event"), {"fields": ["account", "type", "event_id", "epoch", "chat_id", "user_id", "payload_json"]}),
            (_("Related"), {"fields": related}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Update | None = None) -> Any:
        return [name for _title, options in self.get_fieldsets(request, obj) for name in options["fields"]]

    @admin.display(description=_("status"))
    def status_badge(self, update: Update) -> SafeString:
        return badge(update.get_status_display(), KINDS[Update.Status(update.status)])

    @admin.display(description=_("event"))
    def event(self, update: Update) -> str:
        return str(update)

    @admin.display(description=_("text"))
    def content(self, update: Any) -> str | SafeString:
        return said(update.said, problem=last_line(update.error_end))

    @admin.display(description=_("chat, person"))
    def who(self, update: Update) -> SafeString:
        return ids(update.chat_id, update.user_id)

    @admin.display(description=_("received"))
    def came(self, update: Update) -> str | SafeString:
        return ago(update.created_at)

    @admin.display(description=_("took"))
    def took(self, update: Update) -> str:
        return lasted(update.created_at, update.done_at)

    @admin.display(description=_("error"))
    def traceback(self, update: Update) -> str | SafeString:
        if not update.error:
            return EMPTY
        summary = format_html('<p class="vkt-error">{}</p>', last_line(update.error))
        if "\n" not in update.error.strip():
            return summary
        return summary + folded(_("Traceback"), update.error, is_open=True)

    @admin.display(description=_("payload"))
    def payload_json(self, update: Update) -> SafeString:
        return folded(_("Event as it came"), pretty(update.payload), is_open=True)

    @admin.display(description=_("outgoing calls"))
    def calls(self, update: Update) -> str | SafeString:
        rows = list(update.calls.order_by("pk").defer("params")[: CALLS_SHOWN + 1])
        if not rows:
            return EMPTY
        lines = (
            (call_badge(call), row_link(call, self.admin_site), one_line(call.error)) for call in rows[:CALLS_SHOWN]
        )
        items = format_html_join("", '<li>{} {} <span class="vkt-quiet">{}</span></li>', lines)
        all_of_them: str | SafeString = ""
        if len(rows) > CALLS_SHOWN:
            all_of_them = link(list_url(OutgoingCall, self.admin_site, update__id__exact=update.pk), _("All of them"))
        return format_html('<ul class="vkt-rows">{}</ul>{}', items, all_of_them)

    @admin.display(description=_("conversation"))
    def conversation(self, update: Update) -> str | SafeString:
        rows = Conversation.objects.filter(account_id=update.account_id, chat_id=update.chat_id, user_id=update.user_id)
        conversation = rows.first()
        if conversation is None:
            return EMPTY
        return format_html("{} {}", row_link(conversation, self.admin_site), conversation.state or "")

    @admin.display(description=_("chat log"))
    def chat(self, update: Update) -> str | SafeString:
        return log_link(update.account_id, update.chat_id, self.admin_site) or EMPTY

    @admin.display(description=_("contact"))
    def contact(self, update: Update) -> str | SafeString:
        return row_link(Contact.objects.filter(user_id=update.user_id).first(), self.admin_site)
