"""Chats, and the log of each as a conversation to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from vkteams_bot.admin.base import RecordAdmin
from vkteams_bot.admin.display import EMPTY, ago, badge, link, list_url, page_url
from vkteams_bot.admin.list_filters import AccountFilter
from vkteams_bot.admin.search import Rows, Search
from vkteams_bot.admin.transcript import Transcript
from vkteams_bot.models import Chat, ChatMessage, Conversation, OutgoingCall, Update


def log_link(account_id: int, chat_id: str, site: AdminSite) -> str | SafeString:
    """A link to the log of a bot's chat; "" when that chat is not known."""
    chat = Chat.objects.filter(account=account_id, chat_id=chat_id).first() if chat_id else None
    return "" if chat is None else link(page_url(Chat, site, "log", chat.pk), chat)


def _exact(rows: Rows, term: str) -> list[Rows]:
    return [rows.filter(chat_id=term)]


@admin.register(Chat)
class ChatAdmin(RecordAdmin[Chat]):
    search = Search(_exact, texts=("title", "chat_id"))
    search_help_text = _("A chat id, or a part of a title.")
    list_display = ("title_or_id", "chat_id", "type_badge", "account", "last_message", "log")
    list_filter = (AccountFilter,)
    list_select_related = ("account",)
    fieldsets = (
        (None, {"fields": ["title", "chat_id", "type_badge", "account", "created_at"]}),
        (_("Related"), {"fields": ["log", "messages", "conversations", "updates", "calls"]}),
    )
    readonly_fields = flatten_fieldsets(fieldsets)

    def list_rows(self, rows: QuerySet[Chat]) -> QuerySet[Chat]:
        newest = ChatMessage.objects.filter(chat=OuterRef("pk")).order_by("-pk").values("sent_at")[:1]
        return rows.annotate(last_message_at=Subquery(newest))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.log_view)
        return [path("<path:object_id>/log/", view, name="vkteams_bot_chat_log"), *super().get_urls()]

    def log_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Shows what was said, oldest at the top; pages go by primary key, not by offset."""
        if not (self.has_view_permission(request) and request.user.has_perm("vkteams_bot.view_chatmessage")):
            raise PermissionDenied
        chat = self.get_object(request, unquote(object_id))
        if chat is None:
            raise Http404
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": chat,
            "chat": chat,
            "transcript": Transcript.of(chat, before=request.GET.get("before"), after=request.GET.get("after")),
            "search_url": list_url(ChatMessage, self.admin_site),
            "media": self.media,
        }
        return TemplateResponse(request, "vkteams_bot/admin/log.html", context)

    @admin.display(description=_("chat"))
    def title_or_id(self, chat: Chat) -> str:
        return str(chat)

    @admin.display(description=_("type"))
    def type_badge(self, chat: Chat) -> str | SafeString:
        return badge(chat.get_type_display(), "quiet") if chat.type else EMPTY

    @admin.display(description=_("last message"))
    def last_message(self, chat: Any) -> str | SafeString:
        return ago(chat.last_message_at)

    @admin.display(description=_("chat log"))
    def log(self, chat: Chat) -> SafeString:
        return link(page_url(Chat, self.admin_site, "log", chat.pk) + "#end", _("Read"))

    @admin.display(description=_("messages"))
    def messages(self, chat: Chat) -> SafeString:
        return link(list_url(ChatMessage, self.admin_site, chat__id__exact=chat.pk), _("List"))

    @admin.display(description=_("conversations"))
    def conversations(self, chat: Chat) -> SafeString:
        return link(list_url(Conversation, self.admin_site, q=chat.chat_id), _("List"))

    @admin.display(description=_("updates"))
    def updates(self, chat: Chat) -> SafeString:
        return link(list_url(Update, self.admin_site, q=chat.chat_id), _("List"))

    @admin.display(description=_("outgoing calls"))
    def calls(self, chat: Chat) -> SafeString:
        return link(list_url(OutgoingCall, self.admin_site, q=chat.chat_id), _("List"))
