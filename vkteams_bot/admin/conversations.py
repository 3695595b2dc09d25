"""States and data of dialogs: see, edit, reset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from vkteams_bot.admin.actions import ActionsAdmin, QuerySetAction
from vkteams_bot.admin.base import RowAdmin
from vkteams_bot.admin.chats import log_link
from vkteams_bot.admin.display import EMPTY, ago, badge, coming, ids, link, list_url, one_line, row_link
from vkteams_bot.admin.json_field import JSONObjectField
from vkteams_bot.admin.list_filters import AccountFilter, DialogFilter
from vkteams_bot.admin.search import Rows, Search
from vkteams_bot.models import Contact, Conversation, Update


def _exact(rows: Rows, term: str) -> list[Rows]:
    return [rows.of_chat(term), rows.of_user_in_groups(term)]


def _reset(count: int) -> str:
    text = ngettext("%(count)d conversation was reset.", "%(count)d conversations were reset.", count)
    return text % {"count": count}


RESET = QuerySetAction[Conversation](
    name="reset",
    label=_("Reset"),
    list_label=_("Reset selected conversations"),
    run=lambda rows: rows.reset(),
    applies=lambda conversation: conversation.state is not None or bool(conversation.data),
    done=_reset,
    warning=_("State and data will be forgotten; the dialog begins anew."),
)


if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Conversation]
else:
    ModelForm = forms.ModelForm


class ConversationForm(ModelForm):
    """Refuses to overwrite what the bot has changed since the page was opened."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Conversation
        fields = ("state", "data", "expires_at")
        field_classes = {"data": JSONObjectField}
        help_texts = {
            "state": _('As in the code: "OrderForm:address". Empty: no dialog.'),
            "expires_at": _("When handlers find it empty again. Empty: never."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_version"] = self.instance.version

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        seen = cleaned.get("seen_version")
        if seen is not None and seen != self.instance.version:
            raise ValidationError(
                _("The bot has changed this conversation since you opened it. Open it again to see what is new.")
            )
        return cleaned


@admin.register(Conversation)
class ConversationAdmin(ActionsAdmin[Conversation], RowAdmin[Conversation]):
    form = ConversationForm
    row_actions = (RESET,)
    search = Search(_exact, texts=("state",))
    search_help_text = _("A whole chat id or user id, or a part of a state.")
    list_display = ("who", "state_badge", "changed", "content", "expires")
    list_filter = (DialogFilter, AccountFilter)
    fieldsets = (
        (None, {"fields": ["state_badge", "state", "data", "expires_at", "seen_version"]}),
        (_("Whose"), {"fields": ["account", "chat_id", "user_id", "chat", "contact", "updates"]}),
        (_("Changes"), {"fields": ["changed", "edited_by", "version"]}),
    )
    readonly_fields = (
        "state_badge",
        "account",
        "chat_id",
        "user_id",
        "chat",
        "contact",
        "updates",
        "changed",
        "edited_by",
        "version",
    )

    class Media:
        js = ("vkteams_bot/admin/json.js",)

    def get_fieldsets(self, request: HttpRequest, obj: Conversation | None = None) -> Any:
        if self.has_change_permission(request, obj):
            return self.fieldsets
        form_only = {"seen_version"}
        return [
            (title, {"fields": [name for name in options["fields"] if name not in form_only]})
            for title, options in self.fieldsets
        ]

    @admin.display(description=_("conversation"))
    def who(self, conversation: Conversation) -> SafeString:
        return ids(conversation.chat_id, conversation.user_id)

    @admin.display(description=_("dialog"))
    def state_badge(self, conversation: Conversation) -> str | SafeString:
        if conversation.is_expired:
            return badge(_("expired"), "quiet", conversation.state or "")
        return badge(conversation.state, "busy") if conversation.state is not None else EMPTY

    @admin.display(description=_("data"))
    def content(self, conversation: Conversation) -> str:
        return one_line(json.dumps(conversation.data, ensure_ascii=False)) if conversation.data else EMPTY

    @admin.display(description=_("changed"))
    def changed(self, conversation: Conversation) -> str | SafeString:
        return ago(conversation.updated_at)

    @admin.display(description=_("expires"))
    def expires(self, conversation: Conversation) -> str | SafeString:
        return coming(conversation.expires_at)

    @admin.display(description=_("last edited by hand"))
    def edited_by(self, conversation: Conversation) -> str | SafeString:
        kind = ContentType.objects.get_for_model(Conversation)
        entries = LogEntry.objects.filter(content_type=kind, object_id=str(conversation.pk)).select_related("user")
        entry = entries.order_by("-pk").first()
        return EMPTY if entry is None else format_html("{}, {}", entry.user, ago(entry.action_time))

    @admin.display(description=_("chat log"))
    def chat(self, conversation: Conversation) -> str | SafeString:
        return log_link(conversation.account_id, conversation.chat_id, self.admin_site) or EMPTY

    @admin.display(description=_("contact"))
    def contact(self, conversation: Conversation) -> str | SafeString:
        return row_link(Contact.objects.filter(user_id=conversation.user_id).first(), self.admin_site)

    @admin.display(description=_("updates"))
    def updates(self, conversation: Conversation) -> SafeString:
        return link(list_url(Update, self.admin_site, q=conversation.chat_id or conversation.user_id), _("List"))
