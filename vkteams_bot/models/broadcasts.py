from __future__ import annotations

import zoneinfo
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from vkteams_bot.api import ParseMode
from vkteams_bot.exceptions import BroadcastError


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("%(name)s is not a time zone, such as Europe/Moscow."), params={"name": name})


class BroadcastQuerySet(models.QuerySet["Broadcast"]):
    def preparing(self) -> BroadcastQuerySet:
        return self.filter(status=Broadcast.Status.PREPARING)

    def running(self) -> BroadcastQuerySet:
        return self.filter(status=Broadcast.Status.RUNNING)

    def active(self) -> BroadcastQuerySet:
        """At work, or soon, without anybody's doing."""
        return self.filter(status__in=Broadcast.ACTIVE)

    def unsettled(self) -> BroadcastQuerySet:
        """Active ones, and those that were ended early and whose results are not final yet."""
        ended = models.Q(status__in=(Broadcast.Status.CANCELLED, Broadcast.Status.EXPIRED), counts__isnull=True)
        return self.filter(models.Q(status__in=Broadcast.ACTIVE) | ended)

    def unexpired(self, now: datetime) -> BroadcastQuerySet:
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now))

    def in_status(self, *statuses: str) -> BroadcastQuerySet:
        return self.filter(status__in=statuses)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Raises BroadcastError when one of them is active."""
        _refuse_active(self)
        return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class Broadcast(models.Model):
    """One message to many. Its recipients are rows of OutgoingCall, written when it is prepared."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        PREPARING = "preparing", _("being prepared")
        SCHEDULED = "scheduled", _("scheduled")
        RUNNING = "running", _("running")
        PAUSED = "paused", _("paused")
        FINISHED = "finished", _("finished")
        CANCELLED = "cancelled", _("cancelled")
        EXPIRED = "expired", _("expired")

    class Audience(models.TextChoices):
        PRIVATE = "private", _("all private chats")
        GROUPS = "groups", _("all groups")
        SEGMENT = "segment", _("a segment")
        LIST = "list", _("a list of chat ids")

    class Format(models.TextChoices):
        PLAIN = "", _("plain text")
        HTML = ParseMode.HTML.value, "HTML"
        MARKDOWN = ParseMode.MARKDOWNV2.value, "MarkdownV2"

    ACTIVE = (Status.PREPARING, Status.SCHEDULED, Status.RUNNING)

    account = models.ForeignKey("BotAccount", models.CASCADE, related_name="broadcasts", verbose_name=_("bot"))
    name = models.CharField(_("name"), max_length=200, help_text=_("Recipients do not see it."))
    text = models.TextField(_("text"), blank=True)
    parse_mode = models.CharField(_("format"), max_length=16, choices=Format, default=Format.PLAIN, blank=True)
    is_template = models.BooleanField(
        _("fill in variables"),
        default=False,
        help_text=_("The text is a Django template: {{ contact.first_name }}, {{ user.email }}, columns of the list."),
    )
    keyboard = models.JSONField(_("keyboard"), null=True, blank=True, help_text=_("Rows of buttons."))
    file = models.FileField(_("file"), upload_to="vkteams_bot/broadcasts/", blank=True)
    file_id = models.CharField(_("file id"), max_length=255, blank=True, help_text=_("Of the file, once uploaded."))
    audience = models.CharField(_("audience"), max_length=16, choices=Audience, default=Audience.PRIVATE)
    segment = models.CharField(_("segment"), max_length=100, blank=True)
    recipients = models.TextField(
        _("recipients"), blank=True, help_text=_("Chat ids, one per line, or CSV with a column chat_id.")
    )
    exclude_unreachable = models.BooleanField(_("leave out who cannot be reached"), default=True)
    starts_at = models.DateTimeField(_("start"), null=True, blank=True, help_text=_("Empty = when started by hand."))
    expires_at = models.DateTimeField(_("expiry"), null=True, blank=True, help_text=_("Not sent after this time."))
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    time_zone = models.CharField(
        _("time zone"), max_length=64, blank=True, validators=[validate_time_zone], help_text=_("Of the quiet hours.")
    )
    rate_share = models.PositiveSmallIntegerField(
        _("share of the rate limit, %"),
        default=80,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("The most of the bot's rate limit that this broadcast may take."),
    )
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.DRAFT, editable=False)
    total = models.PositiveIntegerField(_("recipients"), null=True, blank=True, editable=False)
    counts = models.JSONField(_("results"), null=True, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, editable=False)

    objects = BroadcastQuerySet.as_manager()

    class Meta:
        verbose_name = _("broadcast")
        verbose_name_plural = _("broadcasts")
        permissions = (("send_broadcast", _("Can start, pause and cancel broadcasts")),)
        indexes = (models.Index(fields=("status", "account"), name="vkteams_bot_broadcast_status"),)

    def __str__(self) -> str:
        return self.name

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raises BroadcastError when it is active."""
        _refuse_active(Broadcast.objects.filter(pk=self.pk))
        return super().delete(*args, **kwargs)


def _refuse_active(broadcasts: BroadcastQuerySet) -> None:
    name = broadcasts.active().values_list("name", flat=True).first()
    if name is not None:
        raise BroadcastError(_("“%(name)s” is at work: cancel it first.") % {"name": name})


class BroadcastAction(models.Model):
    """Who did what with a broadcast, and when."""

    class Action(models.TextChoices):
        TEST = "test", _("test")
        START = "start", _("start")
        PAUSE = "pause", _("pause")
        RESUME = "resume", _("resume")
        CANCEL = "cancel", _("cancel")
        RETRY = "retry", _("retry of failures")

    broadcast = models.ForeignKey(Broadcast, models.CASCADE, related_name="actions", verbose_name=_("broadcast"))
    action = models.CharField(_("action"), max_length=16, choices=Action)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("user")
    )
    note = models.CharField(_("note"), max_length=500, blank=True)
    at = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("action")
        verbose_name_plural = _("actions")
        ordering = ("-at", "-pk")

    def __str__(self) -> str:
        return f"{self.get_action_display()} · {self.user or '—'}"
