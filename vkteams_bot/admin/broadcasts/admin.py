"""Broadcasts: compose, check, send, watch."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from vkteams_bot.admin.broadcasts.bars import progress_bar, status_badge
from vkteams_bot.admin.broadcasts.draft_pages import DraftPages, own_chat_id
from vkteams_bot.admin.broadcasts.form import BroadcastForm
from vkteams_bot.admin.broadcasts.keyboard_field import written
from vkteams_bot.admin.broadcasts.listing import AuthorFilter, BroadcastList, BroadcastStatusFilter, exact
from vkteams_bot.admin.broadcasts.message_preview import preview
from vkteams_bot.admin.broadcasts.progress_pages import ProgressPages
from vkteams_bot.admin.display import EMPTY, ago, link
from vkteams_bot.admin.list_filters import AccountFilter
from vkteams_bot.admin.paging import NewestFirst
from vkteams_bot.admin.search import Search
from vkteams_bot.broadcasts.permissions import may_see, may_send
from vkteams_bot.exceptions import BroadcastError
from vkteams_bot.models import Broadcast, OutgoingCall

LINES_SHOWN = 20
# On a page that nobody edits.
READ_ONLY: dict[Any, Any] = {"keyboard": "buttons", "recipients": "listed", "recipients_file": None}
Status = Broadcast.Status


@admin.register(Broadcast)
class BroadcastAdmin(DraftPages, ProgressPages):
    form = BroadcastForm
    change_form_template = "vkteams_bot/admin/broadcasts/form.html"
    search = Search(exact, texts=("name",))
    search_help_text = _("A part of a name, or a number.")
    list_display = ("title", "status_badge", "progress", "account", "author", "created")
    list_display_links = None
    list_filter = (BroadcastStatusFilter, AccountFilter, AuthorFilter)
    list_select_related = ("account", "created_by")
    fieldsets = (
        (
            _("Message"),
            {"fields": ["account", "name", "text", ("parse_mode", "is_template"), "keyboard", "file"]},
        ),
        (
            _("Audience"),
            {"fields": ["audience", "segment", "recipients", "recipients_file", "exclude_unreachable"]},
        ),
        (_("When"), {"fields": ["starts_at", "expires_at", ("quiet_from", "quiet_until"), "time_zone"]}),
        (_("Limits"), {"fields": ["rate_share"]}),
    )

    class Media:
        css = {"all": ("vkteams_bot/admin/broadcasts.css",)}
        js = ("vkteams_bot/admin/broadcast_form.js", "vkteams_bot/admin/broadcast_progress.js")

    def list_rows(self, rows: QuerySet[Broadcast]) -> QuerySet[Broadcast]:
        return rows.defer("recipients", "text", "keyboard")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NewestFirst]:
        return BroadcastList

    # Who may what

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("vkteams_bot.add_broadcast"))

    def has_view_permission(self, request: HttpRequest, obj: Broadcast | None = None) -> bool:
        return may_see(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Broadcast | None = None) -> bool:
        """Of drafts only: afterwards it is what people got."""
        is_draft = obj is None or obj.status == Status.DRAFT
        return is_draft and bool(request.user.has_perm("vkteams_bot.change_broadcast"))

    def has_delete_permission(self, request: HttpRequest, obj: Broadcast | None = None) -> bool:
        return bool(request.user.has_perm("vkteams_bot.delete_broadcast"))

    # The form

    def get_fieldsets(self, request: HttpRequest, obj: Broadcast | None = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        shown = [
            (title, {"fields": [shown for name in options["fields"] if (shown := READ_ONLY.get(name, name))]})
            for title, options in self.fieldsets
        ]
        return [(None, {"fields": ["status_badge", "author", "created", "message"]}), *shown]

    def get_readonly_fields(self, request: HttpRequest, obj: Broadcast | None = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return ()
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            kwargs["form"] = ModelForm  # ours wants the fields of a draft
        return super().get_form(request, obj, change=change, **kwargs)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        broadcast: Broadcast | None = kwargs.get("obj")
        context |= {
            "show_save_and_add_another": False,
            "composing": broadcast is None or self.has_change_permission(request, broadcast),
            "can_send": may_send(request.user),
            "test_chat_id": own_chat_id(request.user),
            "preview_url": self.url("preview"),
            "audience_url": self.url("audience"),
        }
        if broadcast is not None and not context["composing"]:
            page = "check" if broadcast.status == Status.DRAFT else "progress"
            context["forward_url"] = self.url(page, broadcast.pk)
        return super().render_change_form(request, context, *args, **kwargs)

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        # Django puts the name of the model into a sentence, which not every language can do.
        title = {} if object_id else {"title": gettext("New broadcast")}
        try:
            return super().changeform_view(request, object_id, form_url, title | (extra_context or {}))
        except BroadcastError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(self.url("progress", object_id))

    def save_model(self, request: HttpRequest, obj: Broadcast, form: Any, change: bool) -> None:
        """Raises BroadcastError when somebody has started it since the form was opened."""
        if not change:
            obj.created_by = request.user  # type: ignore[assignment]  # nobody anonymous is here
            obj.save()
            return
        # An update locks the row: it cannot be started between the check and the save.
        if not Broadcast.objects.filter(pk=obj.pk).in_status(Status.DRAFT).update(name=obj.name):
            raise BroadcastError(gettext("It has been started meanwhile: your changes were not saved."))
        obj.save(update_fields=[*BroadcastForm.Meta.fields, "file_id"])

    def response_add(self, request: HttpRequest, obj: Broadcast, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._go_on(request, obj) or super().response_add(request, obj, *args, **kwargs)

    def response_change(self, request: HttpRequest, obj: Broadcast) -> HttpResponse:
        return self._go_on(request, obj) or super().response_change(request, obj)

    def _go_on(self, request: HttpRequest, broadcast: Broadcast) -> HttpResponse | None:
        """Where the buttons beside the preview lead, which save first."""
        for page in ("check", "send"):
            if f"_{page}" in request.POST:
                return HttpResponseRedirect(self.url(page, broadcast.pk))
        if "_test" not in request.POST:
            return None
        # Nothing else waits for the server's answer, and the log of sent messages can be written.
        transaction.on_commit(partial(self.send_test, request, broadcast))
        return HttpResponseRedirect(self.url("change", broadcast.pk))

    # Deletion

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its rows are counted, not listed: there may be 100 000."""
        broadcasts = list(objs)
        calls = OutgoingCall.objects.filter(broadcast__in=[broadcast.pk for broadcast in broadcasts]).count()
        counted = {self.opts.verbose_name_plural: len(broadcasts), OutgoingCall._meta.verbose_name_plural: calls}
        at_work = [
            gettext("“%(name)s” is at work: cancel it first.") % {"name": broadcast.name}
            for broadcast in broadcasts
            if broadcast.status in Broadcast.ACTIVE
        ]
        return [str(broadcast) for broadcast in broadcasts], counted, set(), at_work

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, *args, **kwargs)
        except BroadcastError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(self.url("progress", object_id))

    # The list

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        try:
            return super().changelist_view(request, title | (extra_context or {}))
        except BroadcastError as error:  # started while one confirmed its deletion
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(self.url("changelist"))

    @admin.display(description=_("name"))
    def title(self, broadcast: Broadcast) -> SafeString:
        page = "change" if broadcast.status == Status.DRAFT else "progress"
        return link(self.url(page, broadcast.pk), broadcast.name)

    @admin.display(description=_("status"))
    def status_badge(self, broadcast: Broadcast) -> SafeString:
        return status_badge(broadcast)

    @admin.display(description=_("progress"))
    def progress(self, broadcast: Any) -> str | SafeString:
        progress = broadcast.progress
        if progress is None:
            return EMPTY
        counts = progress.done, progress.total
        return format_html('{} <span class="vkt-quiet">{} / {}</span>', progress_bar(progress), *counts)

    @admin.display(description=_("author"))
    def author(self, broadcast: Broadcast) -> str:
        return str(broadcast.created_by or EMPTY)

    @admin.display(description=_("created"))
    def created(self, broadcast: Broadcast) -> str | SafeString:
        return ago(broadcast.created_at)

    @admin.display(description=_("message"))
    def message(self, broadcast: Broadcast) -> SafeString:
        return SafeString(
            render_to_string("vkteams_bot/admin/broadcasts/preview.html", {"preview": preview(broadcast)})
        )

    @admin.display(description=_("keyboard"))
    def buttons(self, broadcast: Broadcast) -> str:
        return written(broadcast.keyboard) or EMPTY

    @admin.display(description=_("recipients"))
    def listed(self, broadcast: Broadcast) -> str:
        """The first of them: a page with 100 000 lines would be of no use."""
        lines = broadcast.recipients.splitlines()
        more = len(lines) - LINES_SHOWN
        rest = [ngettext("… and %(count)d more line", "… and %(count)d more lines", more) % {"count": more}]
        return "\n".join([*lines[:LINES_SHOWN], *(rest if more > 0 else [])]) or EMPTY
