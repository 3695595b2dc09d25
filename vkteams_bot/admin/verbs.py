"""What an operator can do with rows: a button on the page of each, an action in the list, a question before a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from vkteams_bot.admin.base import M, RowAdmin
from vkteams_bot.admin.display import page_url
from vkteams_bot.admin.paging import COUNTED

LOGGED = 1_000
CONFIRMED = "confirmed"

Text = str | Promise

LEFT_ALONE = _("Left alone: %(count)d. Their status does not allow this, or has just changed.")


@dataclass(frozen=True, kw_only=True)
class Verb(Generic[M]):
    """One thing to do. `run` changes those rows whose state allows it and returns how many those were."""

    name: str
    label: Text
    list_label: Text
    run: Callable[[Any], int]
    applies: Callable[[M], bool]
    done: Callable[[int], str]
    warning: Text = ""
    """What is lost; asked before it is done."""
    left: Text = LEFT_ALONE
    """Why some were not changed; `%(count)d` is how many."""


class VerbsAdmin(RowAdmin[M]):
    """Offers `verbs` to users with the change permission."""

    verbs: ClassVar[Sequence[Verb[Any]]] = ()
    change_form_template = "vkteams_bot/admin/row.html"

    def can_act(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if self.can_act(request):
            for verb in self.verbs:
                actions[verb.name] = (partial(_act_on_list, verb=verb), verb.name, verb.list_label)
        return actions

    def get_urls(self) -> list[URLPattern]:
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path(
                f"<path:object_id>/{verb.name}/",
                self.admin_site.admin_view(partial(self._act_on_row, verb=verb)),
                name=f"{info}_{verb.name}",
            )
            for verb in self.verbs
        ] + super().get_urls()

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        row: M | None = kwargs.get("obj")
        if row is not None and self.can_act(request):
            context["verbs"] = [
                {"verb": verb, "url": page_url(self.model, self.admin_site, verb.name, row.pk)}
                for verb in self.verbs
                if verb.applies(row)
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def _act_on_row(self, request: HttpRequest, object_id: str, *, verb: Verb[M]) -> HttpResponse:
        if not self.can_act(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        if request.method == "GET" and verb.warning:
            return self.confirmation(request, verb, count=1, capped=False, row=row)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.act(request, verb, self.get_queryset(request).filter(pk=row.pk))
        return HttpResponseRedirect(page_url(self.model, self.admin_site, "change", row.pk))

    def confirmation(
        self, request: HttpRequest, verb: Verb[M], *, count: int, capped: bool, row: M | None = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": verb.label if row is not None else verb.list_label,
            "verb": verb,
            "row": row,
            "count": count,
            "capped": capped,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "confirmed_name": CONFIRMED,
            "media": self.media,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "vkteams_bot/admin/confirm.html", context)

    def act(self, request: HttpRequest, verb: Verb[M], rows: QuerySet[M], total: int | None = None) -> None:
        """Do it, note who did, tell how many. `total`: how many were asked for, when that is known."""
        with transaction.atomic(using=router.db_for_write(self.model)):
            for row in rows[:LOGGED]:
                if verb.applies(row):
                    self.log_change(request, row, str(verb.label))
            changed = verb.run(rows)
        if changed:
            self.message_user(request, verb.done(changed), messages.SUCCESS)
        left = (1 if total is None else total) - changed
        if left > 0:
            text = str(verb.left)
            self.message_user(request, text % {"count": left}, messages.WARNING)


def _act_on_list(
    model_admin: VerbsAdmin[M], request: HttpRequest, rows: QuerySet[M], *, verb: Verb[M]
) -> HttpResponse | None:
    count = rows.values("pk")[: COUNTED + 1].count()
    if verb.warning and CONFIRMED not in request.POST:
        return model_admin.confirmation(request, verb, count=min(count, COUNTED), capped=count > COUNTED)
    model_admin.act(request, verb, rows, total=count if count <= COUNTED else 0)
    return None
