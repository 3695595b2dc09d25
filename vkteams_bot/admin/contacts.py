"""People, and who of this site's users each of them is."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from vkteams_bot.admin.actions import ActionsAdmin, QuerySetAction
from vkteams_bot.admin.base import RowAdmin
from vkteams_bot.admin.display import link, list_url, row_link
from vkteams_bot.admin.search import Rows, Search
from vkteams_bot.models import ChatMessage, Contact, Conversation, Update

USER = "django_user"


def _exact(rows: Rows, term: str) -> list[Rows]:
    return [rows.filter(user_id=term)]


def _matched(count: int) -> str:
    text = ngettext("%(count)d contact was linked to a user.", "%(count)d contacts were linked to users.", count)
    return text % {"count": count}


MATCH = QuerySetAction[Contact](
    name="match",
    label=_("Match by e-mail"),
    list_label=_("Match selected contacts with users by e-mail"),
    run=lambda rows: rows.link(),
    applies=lambda contact: contact.django_user_id is None,
    done=_matched,
    left=_("Not linked: %(count)d. They are linked already, or no single active user has this e-mail."),
)


@admin.register(Contact)
class ContactAdmin(ActionsAdmin[Contact], RowAdmin[Contact]):
    row_actions = (MATCH,)
    search = Search(_exact, texts=("first_name", "last_name", "nick", "user_id"))
    search_help_text = _("A user id, or parts of a name.")
    list_display = ("name", "user_id", "nick", "user", "created_at")
    list_select_related = (USER,)
    lookups = frozenset({"django_user__id__exact"})
    fieldsets = (
        (None, {"fields": ["name", "user_id", "nick", "created_at"]}),
        (_("User of this site"), {"fields": [USER]}),
        (_("Related"), {"fields": ["messages", "conversations", "updates"]}),
    )
    readonly_fields = ("name", "user_id", "nick", "created_at", "messages", "conversations", "updates")

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """The user is chosen by a search where the site's users can be searched; elsewhere a number is typed."""
        users_admin = self.admin_site._registry.get(get_user_model())
        return (USER,) if users_admin is not None and users_admin.get_search_fields(request) else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if not self.get_autocomplete_fields(request):
            kwargs["widget"] = ForeignKeyRawIdWidget(db_field.remote_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == USER and formfield is not None:
            # Django offers to delete, change and add the user: too near to "unlink".
            for offer in ("add", "change", "delete"):
                setattr(formfield.widget, f"can_{offer}_related", False)
        return formfield

    @admin.display(description=_("name"))
    def name(self, contact: Contact) -> str:
        return str(contact)

    @admin.display(description=_("user"))
    def user(self, contact: Contact) -> str | SafeString:
        if contact.django_user is None or not self.admin_site.is_registered(get_user_model()):
            return str(contact.django_user or "–")
        return row_link(contact.django_user, self.admin_site)

    @admin.display(description=_("messages"))
    def messages(self, contact: Contact) -> SafeString:
        return link(list_url(ChatMessage, self.admin_site, contact__id__exact=contact.pk), _("List"))

    @admin.display(description=_("conversations"))
    def conversations(self, contact: Contact) -> SafeString:
        return link(list_url(Conversation, self.admin_site, q=contact.user_id), _("List"))

    @admin.display(description=_("updates"))
    def updates(self, contact: Contact) -> SafeString:
        return link(list_url(Update, self.admin_site, q=contact.user_id), _("List"))
