"""What the pages of a broadcast share: who may what, and how something is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from vkteams_bot.admin.base import RowAdmin
from vkteams_bot.admin.broadcasts.message_preview import preview
from vkteams_bot.admin.display import page_url
from vkteams_bot.exceptions import BroadcastError
from vkteams_bot.live.snapshot import may_see
from vkteams_bot.models import Broadcast

SEND = "vkteams_bot.send_broadcast"

Views = Mapping[str, Callable[..., HttpResponseBase]]


class BroadcastPages(RowAdmin[Broadcast]):
    """Composing needs the add and change permissions, whatever sends something `send_broadcast`."""

    def can_compose(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) or self.has_change_permission(request)

    def can_send(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(SEND))

    def url(self, page: str, *args: Any) -> str:
        return page_url(Broadcast, self.admin_site, page, *args)

    def paths(self, views: Views, prefix: str = "<int:key>/") -> list[URLPattern]:
        """By the names of the views."""
        wrap = self.admin_site.admin_view
        return [
            path(f"{prefix}{name}/", wrap(view), name=f"vkteams_bot_broadcast_{name}") for name, view in views.items()
        ]

    def found(self, request: HttpRequest, key: int) -> Broadcast:
        if not may_see(request.user):
            raise PermissionDenied
        found = Broadcast.objects.select_related("account", "created_by").defer("recipients").filter(pk=key).first()
        if found is None:
            raise Http404
        return found

    def page(self, request: HttpRequest, broadcast: Broadcast, name: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        given = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "broadcast": broadcast,
            "preview": preview(broadcast),
            **context,
        }
        return TemplateResponse(request, f"vkteams_bot/admin/broadcasts/{name}.html", given)

    def do(self, request: HttpRequest, broadcast: Broadcast, label: Any, act: Callable[[], object]) -> bool:
        """Whether it was done; otherwise the user is told why not."""
        try:
            act()
        except BroadcastError as error:
            self.message_user(request, f"{broadcast.name}: {error}", messages.ERROR)
            broadcast.refresh_from_db(fields=("status",))
            return False
        self.log_change(request, broadcast, str(label))
        return True
