"""The pages of a broadcast that was started: how far it is, the buttons that steer it, its results."""

from __future__ import annotations

from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, get_script_prefix
from django.utils.text import slugify

from vkteams_bot import broadcasts
from vkteams_bot.admin.broadcasts.bars import progress_bar, status_badge
from vkteams_bot.admin.broadcasts.csv_response import csv_response
from vkteams_bot.admin.broadcasts.pages import BroadcastPages, Views
from vkteams_bot.admin.display import list_url, page_url
from vkteams_bot.broadcasts import Meter, Progress
from vkteams_bot.broadcasts.progress import COLUMNS, snapshot
from vkteams_bot.broadcasts.schedule import quiet_ends_at
from vkteams_bot.models import Broadcast, OutgoingCall

REASONS = 20
FAILURES = 50

Status = Broadcast.Status


class ProgressPages(BroadcastPages):
    def get_urls(self) -> list[URLPattern]:
        views: Views = {
            "progress": self._progress_view,
            "details": self._details_view,
            "snapshot": self._snapshot_view,
            "export": self._export_view,
        }
        return [*self.paths(views), *super().get_urls()]

    def _progress_view(self, request: HttpRequest, key: int) -> HttpResponse:
        broadcast = self.broadcast_or_404(request, key)
        if broadcast.status == Status.DRAFT:
            return HttpResponseRedirect(self.url("change", key))
        drawn = _snapshot(key)
        context = {
            **self._details(request, broadcast),
            "title": broadcast.name,
            "snapshot": drawn,
            "columns": [(column, drawn["numbers"][column.name]) for column in COLUMNS],
            "socket": f"{get_script_prefix()}ws/vkteams_bot/broadcasts/{key}/",
        }
        return self.page(request, broadcast, "progress", context)

    def _details_view(self, request: HttpRequest, key: int) -> HttpResponse:
        context = self._details(request, self.broadcast_or_404(request, key))
        return TemplateResponse(request, "vkteams_bot/admin/broadcasts/details.html", context)

    def _snapshot_view(self, request: HttpRequest, key: int) -> HttpResponse:
        self.broadcast_or_404(request, key)
        return JsonResponse(_snapshot(key, request.GET.get("meter", "")), headers={"Cache-Control": "no-store"})

    def _details(self, request: HttpRequest, broadcast: Broadcast) -> dict[str, Any]:
        progress = Progress.of(broadcast.pk)
        failed: Any = broadcast.calls.open()
        return {
            "broadcast": broadcast,
            "badge": status_badge(broadcast),
            "bar": progress_bar(progress),
            "quiet_until": quiet_ends_at(broadcast, progress.at) if progress.status == Status.RUNNING else None,
            "buttons": self.action_buttons(request, broadcast, state=progress),
            "export_url": self.url("export", broadcast.pk),
            "reasons": failed.values("status", "error").annotate(count=Count("*")).order_by("-count")[:REASONS],
            "failures": [
                {"call": call, "url": page_url(OutgoingCall, self.admin_site, "change", call.pk)}
                for call in failed.order_by("-pk").only("broadcast", "chat_id", "status", "error")[:FAILURES]
            ],
            "failures_url": list_url(OutgoingCall, self.admin_site, broadcast__id__exact=broadcast.pk),
            "may_see_calls": request.user.has_perm("vkteams_bot.view_outgoingcall"),
            "actions": broadcast.actions.select_related("user")[:FAILURES],
        }

    def _export_view(self, request: HttpRequest, key: int) -> HttpResponseBase:
        broadcast = self.broadcast_or_404(request, key)
        name = f"{slugify(broadcast.name, allow_unicode=True) or 'broadcast'}-{key}.csv"
        return csv_response(request, broadcasts.export_csv(broadcast), name)


def _snapshot(key: int, packed_meter: str = "") -> dict[str, Any]:
    """With its meter: a page that asks by HTTP gives it back with its next question."""
    meter = Meter.unpacked(packed_meter)
    return {**snapshot(key, meter), "meter": meter.packed()}
