"""The outbox: what was sent, what waits, and what needs a decision."""

from __future__ import annotations

import contextlib
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Left
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from vkteams_bot import worker
from vkteams_bot.admin.actions import ActionsAdmin, QuerySetAction
from vkteams_bot.admin.base import RecordAdmin
from vkteams_bot.admin.chats import log_link
from vkteams_bot.admin.display import (
    EMPTY,
    ago,
    badge,
    coming,
    folded,
    lasted,
    one_line,
    pretty,
    row_link,
    said,
)
from vkteams_bot.admin.list_filters import AccountFilter, CallStatusFilter
from vkteams_bot.admin.search import Rows, Search
from vkteams_bot.models import Broadcast, OutgoingCall
from vkteams_bot.stores import outbox

KINDS = {
    OutgoingCall.Status.QUEUED: "busy",
    OutgoingCall.Status.SENDING: "busy",
    OutgoingCall.Status.SENT: "good",
    OutgoingCall.Status.FAILED: "bad",
    OutgoingCall.Status.UNKNOWN: "doubt",
    OutgoingCall.Status.DROPPED: "quiet",
}
HINTS = {
    OutgoingCall.Status.UNKNOWN: _("It left and was not answered: it may or may not have arrived."),
    OutgoingCall.Status.FAILED: _("The server refused it: it was not sent."),
}


def call_badge(call: OutgoingCall) -> SafeString:
    status = OutgoingCall.Status(call.status)
    return badge(status.label, KINDS[status], HINTS.get(status, ""))


def _exact(rows: Rows, term: str) -> list[Rows]:
    arms = [rows.of_chat(term)]
    with contextlib.suppress(ValueError):
        arms.append(rows.filter(pk=UUID(term)))
    return arms


def _resent(count: int) -> str:
    text = ngettext("%(count)d call will be sent again.", "%(count)d calls will be sent again.", count)
    return text % {"count": count}


def _dropped(count: int) -> str:
    return ngettext("%(count)d call was dropped.", "%(count)d calls were dropped.", count) % {"count": count}


RESEND = QuerySetAction[OutgoingCall](
    name="resend",
    label=_("Resend"),
    list_label=_("Resend selected calls"),
    run=worker.resend,
    applies=lambda call: call.status in OutgoingCall.OPEN,
    done=_resent,
    warning=_("What is unknown may have arrived: sent again, people would get it twice."),
)
DROP = QuerySetAction[OutgoingCall](
    name="drop",
    label=_("Drop"),
    list_label=_("Drop selected calls"),
    run=outbox.drop,
    applies=lambda call: call.status in (*OutgoingCall.OPEN, OutgoingCall.Status.QUEUED),
    done=_dropped,
    warning=_("What is dropped will never be sent."),
)


@admin.register(OutgoingCall)
class OutgoingCallAdmin(RecordAdmin[OutgoingCall], ActionsAdmin[OutgoingCall]):
    row_actions = (RESEND, DROP)
    search = Search(_exact)
    search_help_text = _("A whole chat id, or the id of a call.")
    lookups = frozenset({"update__id__exact", "broadcast__id__exact"})
    list_display = ("status_badge", "name", "created", "attempts", "next_try", "content", "chat_id")
    list_display_links = ("status_badge", "name")
    list_filter = (CallStatusFilter, AccountFilter)
    fieldsets = (
        (None, {"fields": ["status_badge", "problem_text", "created", "next_try", "took", "msg_id"]}),
        (_("Call"), {"fields": ["account", "method", "chat", "params_json", "id"]}),
        (
            _("Delivery"),
            {"fields": ["origin", "priority", "due_at", "attempts", "retry_until", "claimed_by", "claimed_until"]},
        ),
        (_("Related"), {"fields": ["reply_to", "of_broadcast"]}),
    )
    readonly_fields = flatten_fieldsets(fieldsets)

    def list_rows(self, rows: QuerySet[OutgoingCall]) -> QuerySet[OutgoingCall]:
        pieces = {"said": Left(KT("params__text"), 200), "error_start": Left("error", 300)}
        return rows.defer("params", "error").annotate(**pieces)

    @admin.display(description=_("status"))
    def status_badge(self, call: OutgoingCall) -> SafeString:
        return call_badge(call)

    @admin.display(description=_("method"))
    def name(self, call: OutgoingCall) -> str:
        return call.method.rpartition("/")[2]

    @admin.display(description=_("text"))
    def content(self, call: Any) -> str | SafeString:
        return said(call.said, problem=one_line(call.error_start))

    @admin.display(description=_("created"))
    def created(self, call: OutgoingCall) -> str | SafeString:
        return ago(call.created_at)

    @admin.display(description=_("next try"))
    def next_try(self, call: OutgoingCall) -> str | SafeString:
        """When a waiting call is due. What is being sent or is finished has no next try."""
        if call.status != OutgoingCall.Status.QUEUED:
            return EMPTY
        return gettext("at once") if call.due_at is None else coming(call.due_at)

    @admin.display(description=_("took"))
    def took(self, call: OutgoingCall) -> str:
        """From when it was written to its outcome; a call that was put back has none yet."""
        is_unfinished = call.status in (OutgoingCall.Status.QUEUED, OutgoingCall.Status.SENDING)
        return EMPTY if is_unfinished else lasted(call.created_at, call.finished_at)

    @admin.display(description=_("error"))
    def problem_text(self, call: OutgoingCall) -> str | SafeString:
        return format_html('<p class="vkt-error vkt-text">{}</p>', call.error) if call.error else EMPTY

    @admin.display(description=_("chat"))
    def chat(self, call: OutgoingCall) -> str | SafeString:
        return log_link(call.account_id, call.chat_id, self.admin_site) or call.chat_id or EMPTY

    @admin.display(description=_("parameters"))
    def params_json(self, call: OutgoingCall) -> SafeString:
        return folded(_("Parameters"), pretty(call.params), is_open=True)

    @admin.display(description=_("broadcast"))
    def of_broadcast(self, call: OutgoingCall) -> str | SafeString:
        if call.broadcast is None or not self.admin_site.is_registered(Broadcast):
            return str(call.broadcast or EMPTY)
        return row_link(call.broadcast, self.admin_site)

    @admin.display(description=_("answers the update"))
    def reply_to(self, call: OutgoingCall) -> str | SafeString:
        return row_link(call.update, self.admin_site)
