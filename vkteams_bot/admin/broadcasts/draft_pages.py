"""The pages of a broadcast that is a draft: preview and audience while one composes, check, test, send."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _

from vkteams_bot import broadcasts
from vkteams_bot.admin.broadcasts.form import BroadcastForm
from vkteams_bot.admin.broadcasts.lifecycle_actions import SEND
from vkteams_bot.admin.broadcasts.message_preview import preview, shown
from vkteams_bot.admin.broadcasts.pages import BroadcastPages, Views
from vkteams_bot.broadcasts.permissions import may_send
from vkteams_bot.broadcasts.schedule import starts_later, time_zone
from vkteams_bot.exceptions import BroadcastError, CallError, ConfigurationError
from vkteams_bot.models import Broadcast, Contact

PREVIEWED = ("text", "parse_mode", "is_template", "keyboard", "file")
COUNTED = ("account", "recipients", "segment")
SAMPLES = 5
MORE_SAMPLES = 20

Status = Broadcast.Status


def _is_blank(form: BroadcastForm) -> bool:
    """Nothing to send was written yet: no reason to complain."""
    return not form.instance.text.strip() and not form.instance.file


class DraftPages(BroadcastPages):
    def get_urls(self) -> list[URLPattern]:
        composing: Views = {"preview": self._preview_view, "audience": self._audience_view}
        sending: Views = {
            "check": partial(self._check_view, sending=False),
            "send": partial(self._check_view, sending=True),
            "test": self._test_view,
        }
        return [*self.paths(composing, prefix=""), *self.paths(sending), *super().get_urls()]

    def _preview_view(self, request: HttpRequest) -> HttpResponse:
        form = self._unsaved(request)
        problems = [problem for name in PREVIEWED for problem in form.errors.get(name, ())]
        message = preview(form.instance, request.POST.get("preview_chat_id", "").strip())
        context = {"preview": message, "problems": [] if _is_blank(form) else problems or message.problems}
        return TemplateResponse(request, "vkteams_bot/admin/broadcasts/preview.html", context)

    def _audience_view(self, request: HttpRequest) -> HttpResponse:
        form = self._unsaved(request)
        problems = [problem for name in COUNTED for problem in form.errors.get(name, ())]
        context: dict[str, Any] = {"problems": problems}
        if not problems:
            context = {**self._dry_run(form.instance, SAMPLES), "only_who": _is_blank(form)}
        return TemplateResponse(request, "vkteams_bot/admin/broadcasts/audience.html", context)

    def _unsaved(self, request: HttpRequest) -> BroadcastForm:
        """What stands in the form now, on the draft that it is of."""
        if not self.can_compose(request):
            raise PermissionDenied
        if request.method != "POST":
            raise Http404
        key = request.GET.get("broadcast", "")
        draft = Broadcast.objects.filter(pk=key).in_status(Status.DRAFT).first() if key.isdecimal() else None
        form = BroadcastForm(request.POST, request.FILES, instance=draft)
        form.is_valid()
        return form

    def _dry_run(self, broadcast: Broadcast, samples: int) -> dict[str, Any]:
        try:
            dry = broadcasts.dry_run(broadcast, samples=samples)
        except ConfigurationError as error:
            return {"problems": [str(error)]}
        return {"dry": dry, "problems": list(map(str, dry.problems))}

    def _check_view(self, request: HttpRequest, key: int, *, sending: bool) -> HttpResponse:
        broadcast = self.broadcast_or_404(request, key)
        if not (may_send(request.user) or (not sending and self.can_compose(request))):
            raise PermissionDenied
        if sending and request.method == "POST":
            self.act(request, SEND, Broadcast.objects.filter(pk=key))
            broadcast.refresh_from_db(fields=("status",))
        if broadcast.status != Status.DRAFT:
            return HttpResponseRedirect(self.url("progress", key))
        result = self._dry_run(broadcast, SAMPLES if sending else MORE_SAMPLES)
        dry = result.get("dry")
        context = {
            **result,
            "shown": [(sample, shown(sample.text, broadcast)) for sample in dry.samples] if dry and not sending else [],
            "title": _("Send this broadcast?") if sending else _("Dry run"),
            "sending": sending,
            "starts_later": starts_later(broadcast, timezone.now()),
            "zone": time_zone(broadcast) if broadcast.quiet_from else None,
            "test_chat_id": own_chat_id(request.user),
            "can_send": may_send(request.user),
        }
        return self.page(request, broadcast, "check", context)

    def _test_view(self, request: HttpRequest, key: int) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        broadcast = self.broadcast_or_404(request, key)
        self.send_test(request, broadcast)
        return HttpResponseRedirect(self.url("check", key))

    def send_test(self, request: HttpRequest, broadcast: Broadcast) -> None:
        """To the chat that the form names. The user is told what came of it."""
        if not may_send(request.user):
            raise PermissionDenied
        chat_id = request.POST.get("test_chat_id", "").strip()
        if not chat_id:
            self.message_user(request, _("Name a chat for the test."), messages.ERROR)
            return
        try:
            broadcasts.send_test(broadcast, chat_id, user=request.user)
        except (BroadcastError, CallError, ConfigurationError) as error:
            text = _("The test was not sent: %(problem)s") % {"problem": error}
            self.message_user(request, text, messages.ERROR)
        else:
            self.message_user(request, _("The test was sent to %(chat)s.") % {"chat": chat_id}, messages.SUCCESS)


def own_chat_id(user: Any) -> str:
    """The private chat of a user of this site, through the contact linked to them; "" = none is."""
    contacts = Contact.objects.filter(django_user=user.pk).order_by("-pk")
    return contacts.values_list("user_id", flat=True).first() or ""
