"""What the pages of a broadcast share: who may what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from vkteams_bot.admin.actions import ActionsAdmin
from vkteams_bot.admin.broadcasts.lifecycle_actions import ACTIONS
from vkteams_bot.admin.broadcasts.message_preview import preview
from vkteams_bot.admin.display import page_url
from vkteams_bot.broadcasts.permissions import may_see, may_send
from vkteams_bot.models import Broadcast

Views = Mapping[str, Callable[..., HttpResponseBase]]


class BroadcastPages(ActionsAdmin[Broadcast]):
    """Composing needs the add and change permissions, whatever sends something `send_broadcast`."""

    row_actions = ACTIONS
    buttons_page = "progress"

    def can_compose(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) or self.has_change_permission(request)

    def can_act(self, request: HttpRequest) -> bool:
        return may_send(request.user)

    def url(self, page: str, *args: Any) -> str:
        return page_url(Broadcast, self.admin_site, page, *args)

    def paths(self, views: Views, prefix: str = "<int:key>/") -> list[URLPattern]:
        """By the names of the views."""
        wrap = self.admin_site.admin_view
        return [
            path(f"{prefix}{name}/", wrap(view), name=f"vkteams_bot_broadcast_{name}") for name, view in views.items()
        ]

    def broadcast_or_404(self, request: HttpRequest, key: int) -> Broadcast:
        """What every page of one broadcast begins with. Raises PermissionDenied and Http404."""
        if not may_see(request.user):
            raise PermissionDenied
        rows = Broadcast.objects.select_related("account", "created_by").defer("recipients")
        broadcast = rows.filter(pk=key).first()
        if broadcast is None:
            raise Http404
        return broadcast

    def page(self, request: HttpRequest, broadcast: Broadcast, name: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "broadcast": broadcast,
            "preview": preview(broadcast),
            **context,
        }
        return TemplateResponse(request, f"vkteams_bot/admin/broadcasts/{name}.html", context)
