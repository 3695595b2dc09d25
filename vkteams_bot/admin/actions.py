"""What operators do with rows: a button on the page of each, an action of the list, a question before a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, TypeAlias

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
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
from vkteams_bot.exceptions import BroadcastError

LOGGED = 1_000
CONFIRMED = "confirmed"

Text: TypeAlias = str | Promise
Message: TypeAlias = tuple[int, str]
"""A level of django.contrib.messages and a sentence for the user."""
Log: TypeAlias = Callable[[Sequence[Any]], None]
"""Writes into the history of each row who did it, by one statement for all."""

LEFT_ALONE = _("Left alone: %(count)d. Their status does not allow this, or has just changed.")


@dataclass(frozen=True, kw_only=True)
class Action(Generic[M]):
    """One thing that operators do, declared once."""

    name: str
    label: Text
    list_label: Text = ""
    """What the list of rows calls it; "" = the list does not offer it."""
    warning: Text = ""
    """What is lost; asked before it is done."""
    applies: Callable[[Any], bool] = lambda _row: True
    """Whether the page of a row offers it now."""

    def perform(self, rows: QuerySet[M], total: int | None, user: Any, log: Log) -> list[Message]:
        """Do it, log it, return what the user is told. `total` is the number of rows, None when it is not known."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class QuerySetAction(Action[M]):
    """Changes all rows at once. `run` changes those whose state allows it and returns how many those were."""

    run: Callable[[Any], int]
    done: Callable[[int], str]
    left: Text = LEFT_ALONE
    """Why some were not changed; `%(count)d` is how many."""

    def perform(self, rows: QuerySet[M], total: int | None, user: Any, log: Log) -> list[Message]:
        with transaction.atomic(using=router.db_for_write(rows.model)):
            log([row for row in rows[:LOGGED] if self.applies(row)])
            changed = self.run(rows)
        told = [(messages.SUCCESS, self.done(changed))] if changed else []
        if total is not None and total > changed:
            told.append((messages.WARNING, str(self.left) % {"count": total - changed}))
        return told


@dataclass(frozen=True, kw_only=True)
class RowAction(Action[M]):
    """Changes rows one by one. `run` takes a row and the user, and raises BroadcastError when it is not possible."""

    run: Callable[[Any, Any], object]
    done: Text = ""
    """What the user is told for each row, `%(name)s` is the row; "" = nothing."""

    def perform(self, rows: QuerySet[M], total: int | None, user: Any, log: Log) -> list[Message]:
        told: list[Message] = []
        for row in rows:
            name = str(row)
            try:
                self.run(row, user)
            except BroadcastError as error:
                told.append((messages.ERROR, f"{name}: {error}"))
            else:
                log([row])
                told += [(messages.SUCCESS, str(self.done) % {"name": name})] if self.done else []
        return told


class ActionsAdmin(RowAdmin[M]):
    """Offers `row_actions` to those who `can_act`: users with the change permission."""

    row_actions: ClassVar[Sequence[Action[Any]]] = ()
    buttons_page: ClassVar[str] = "change"
    """Which page of a row has their buttons."""
    change_form_template = "vkteams_bot/admin/row.html"

    def can_act(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        if self.can_act(request):
            for action in self.row_actions:
                if action.list_label:
                    view = partial(ActionsAdmin._list_view, action=action)
                    actions[action.name] = (view, action.name, action.list_label)
        return actions

    def get_urls(self) -> list[URLPattern]:
        info = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path(
                f"<path:object_id>/{action.name}/",
                self.admin_site.admin_view(partial(self._row_view, action=action)),
                name=f"{info}_{action.name}",
            )
            for action in self.row_actions
        ] + super().get_urls()

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        row: M | None = kwargs.get("obj")
        if row is not None and self.buttons_page == "change":
            context["buttons"] = self.action_buttons(request, row)
        return super().render_change_form(request, context, *args, **kwargs)

    def action_buttons(self, request: HttpRequest, row: M, state: Any = None) -> list[dict[str, Any]]:
        """What this user can do with a row now. `state`: what `applies` looks at, if that is not the row itself."""
        if not self.can_act(request):
            return []
        return [
            {"action": action, "url": page_url(self.model, self.admin_site, action.name, row.pk)}
            for action in self.row_actions
            if action.applies(row if state is None else state)
        ]

    def act(self, request: HttpRequest, action: Action[M], rows: QuerySet[M], total: int | None = None) -> None:
        """Do it, note who did, tell what came of it."""
        user: Any = request.user

        def log(changed: Sequence[M]) -> None:
            LogEntry.objects.log_actions(user.pk, changed, CHANGE, str(action.label))

        for level, text in action.perform(rows, total, user, log):
            self.message_user(request, text, level)

    def _row_view(self, request: HttpRequest, object_id: str, *, action: Action[M]) -> HttpResponse:
        if not self.can_act(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        back_url = page_url(self.model, self.admin_site, self.buttons_page, row.pk)
        if request.method == "GET" and action.warning:
            return self._confirmation(request, action, {"title": action.label, "row": row, "back_url": back_url})
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.act(request, action, self.list_rows(self.get_queryset(request)).filter(pk=row.pk), total=1)
        return HttpResponseRedirect(back_url)

    def _list_view(self, request: HttpRequest, rows: QuerySet[M], *, action: Action[M]) -> HttpResponse | None:
        most = self.most_counted
        count = rows.values("pk")[: most + 1].count()
        if not action.warning or CONFIRMED in request.POST:
            self.act(request, action, rows, total=count if count <= most else None)
            return None
        context = {
            "title": action.list_label,
            "count": min(count, most),
            "capped": count > most,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "back_url": request.get_full_path(),
        }
        return self._confirmation(request, action, context)

    def _confirmation(self, request: HttpRequest, action: Action[M], context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "action": action,
            "confirmed_name": CONFIRMED,
            "media": self.media,
        }
        return TemplateResponse(request, "vkteams_bot/admin/confirm.html", {**shared, **context})
