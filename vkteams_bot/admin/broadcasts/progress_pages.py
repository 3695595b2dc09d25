"""The pages of a broadcast that was started: how far it is, the buttons that steer it, its results."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, get_script_prefix
from django.utils.text import slugify

from vkteams_bot import broadcasts
from vkteams_bot.admin.broadcasts.csv_response import csv_response
from vkteams_bot.admin.broadcasts.pages import BroadcastPages, Views
from vkteams_bot.admin.broadcasts.progress import progress_bar, status_badge
from vkteams_bot.admin.broadcasts.verbs import VERBS, BroadcastVerb
from vkteams_bot.admin.display import list_url, page_url
from vkteams_bot.broadcasts import Progress
from vkteams_bot.broadcasts.schedule import quiet_ends_at
from vkteams_bot.live.snapshot import snapshot
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
        verbs: Views = {verb.name: partial(self._verb_view, verb=verb) for verb in VERBS}
        return [*self.paths(views), *self.paths(verbs), *super().get_urls()]

    def _progress_view(self, request: HttpRequest, key: int) -> HttpResponse:
        broadcast = self.found(request, key)
        if broadcast.status == Status.DRAFT:
            return HttpResponseRedirect(self.url("change", key))
        now = snapshot(key)
        context = {
            **self._details(request, broadcast),
            "title": broadcast.name,
            "snapshot": now,
            "waiting": now["total"] - now["done"],
            "socket": f"{get_script_prefix()}ws/vkteams_bot/broadcasts/{key}/",
        }
        return self.page(request, broadcast, "progress", context)

    def _details_view(self, request: HttpRequest, key: int) -> HttpResponse:
        context = self._details(request, self.found(request, key))
        return TemplateResponse(request, "vkteams_bot/admin/broadcasts/details.html", context)

    def _snapshot_view(self, request: HttpRequest, key: int) -> HttpResponse:
        self.found(request, key)
        return JsonResponse(snapshot(key), headers={"Cache-Control": "no-store"})

    def _details(self, request: HttpRequest, broadcast: Broadcast) -> dict[str, Any]:
        now = Progress.of(broadcast.pk)
        failed: Any = broadcast.calls.open()
        can_send = self.can_send(request)
        return {
            "broadcast": broadcast,
            "status": status_badge(broadcast),
            "bar": progress_bar(now),
            "quiet_until": quiet_ends_at(broadcast, now.at) if now.status == Status.RUNNING else None,
            "verbs": [
                {"verb": verb, "url": self.url(verb.name, broadcast.pk)}
                for verb in VERBS
                if can_send and verb.applies(now)
            ],
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
        broadcast = self.found(request, key)
        name = f"{slugify(broadcast.name, allow_unicode=True) or 'broadcast'}-{key}.csv"
        return csv_response(request, broadcasts.export_csv(broadcast), name)

    def _verb_view(self, request: HttpRequest, key: int, *, verb: BroadcastVerb) -> HttpResponse:
        broadcast = self.found(request, key)
        if not self.can_send(request):
            raise PermissionDenied
        progress_url = self.url("progress", key)
        if request.method == "GET" and verb.warning:
            return self.confirmation(request, verb, {"row": broadcast, "back_url": progress_url})
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.act(request, broadcast, verb)
        return HttpResponseRedirect(progress_url)

    def act(self, request: HttpRequest, broadcast: Broadcast, verb: BroadcastVerb) -> None:
        """The user is told what came of it."""
        if self.do(request, broadcast, verb.label, partial(verb.run, broadcast, request.user)):
            self.message_user(request, str(verb.done) % {"name": broadcast.name}, messages.SUCCESS)

    def confirmation(self, request: HttpRequest, verb: BroadcastVerb, context: dict[str, Any]) -> HttpResponse:
        given = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": verb.label,
            "verb": verb,
            "confirmed_name": "confirmed",
            "media": self.media,
            **context,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "vkteams_bot/admin/confirm.html", given)
