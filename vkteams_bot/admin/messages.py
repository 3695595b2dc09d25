"""The chat log of all chats: to search, not to change."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from vkteams_bot.admin.base import RecordAdmin
from vkteams_bot.admin.display import EMPTY, ago, badge, folded, link, one_line, page_url, pretty, row_link
from vkteams_bot.admin.list_filters import MessageFilter
from vkteams_bot.admin.search import Rows, Search
from vkteams_bot.models import Chat, ChatMessage, Contact


def _exact(rows: Rows, term: str) -> list[Rows]:
    """Messages of a chat or a person, a query each, so that each goes newest first through its own index."""
    chats = Chat.objects.filter(chat_id=term).values_list("pk", flat=True)[:20]
    people = Contact.objects.filter(user_id=term).values_list("pk", flat=True)
    return [*(rows.of_chat(key) for key in chats), *(rows.of_author(key) for key in people)]


@admin.register(ChatMessage)
class ChatMessageAdmin(RecordAdmin[ChatMessage]):
    search = Search(_exact, texts=("text",))
    search_help_text = _("A whole chat id or user id, or words of a text.")
    lookups = frozenset({"chat__id__exact", "contact__id__exact"})
    list_display = ("direction_badge", "sent", "content", "author", "chat_log")
    list_display_links = ("content",)
    list_filter = (MessageFilter,)
    list_select_related = ("chat", "contact")
    fieldsets = (
        (None, {"fields": ["direction_badge", "full_text", "author", "chat_log", "sent", "marks"]}),
        (_("Details"), {"fields": ["msg_id", "sent_at", "edited_at", "deleted_at", "parts_json"]}),
    )
    readonly_fields = flatten_fieldsets(fieldsets)

    def list_rows(self, rows: QuerySet[ChatMessage]) -> QuerySet[ChatMessage]:
        return rows.defer("parts")

    @admin.display(description=_("direction"))
    def direction_badge(self, message: ChatMessage) -> SafeString:
        is_ours = message.direction == ChatMessage.Direction.OUT
        return badge(message.get_direction_display(), "busy" if is_ours else "quiet")

    @admin.display(description=_("text"))
    def content(self, message: ChatMessage) -> str | SafeString:
        text = one_line(message.text) or EMPTY
        return text if self.marks(message) == EMPTY else format_html("{} {}", text, self.marks(message))

    @admin.display(description=_("text"))
    def full_text(self, message: ChatMessage) -> str | SafeString:
        return format_html('<p class="vkt-text">{}</p>', message.text) if message.text else EMPTY

    @admin.display(description=_("author"))
    def author(self, message: ChatMessage) -> str | SafeString:
        return row_link(message.contact, self.admin_site)

    @admin.display(description=_("chat log"))
    def chat_log(self, message: ChatMessage) -> SafeString:
        """Opens the log at this message."""
        url = page_url(Chat, self.admin_site, "log", message.chat_id)
        return link(f"{url}?before={message.pk + 1}#message-{message.pk}", message.chat)

    @admin.display(description=_("sent"))
    def sent(self, message: ChatMessage) -> str | SafeString:
        return ago(message.sent_at)

    @admin.display(description=_("marks"))
    def marks(self, message: ChatMessage) -> str | SafeString:
        if message.deleted_at is not None:
            return badge(_("deleted"), "bad")
        return badge(_("edited"), "quiet") if message.edited_at is not None else EMPTY

    @admin.display(description=_("parts"))
    def parts_json(self, message: ChatMessage) -> str | SafeString:
        return folded(_("Parts"), pretty(message.parts), is_open=True) if message.parts else EMPTY
