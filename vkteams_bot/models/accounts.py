from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class BotAccountQuerySet(models.QuerySet["BotAccount"]):
    def id_for(self, alias: str, user_id: str) -> int | None:
        """The account of this identity; None when it has none yet.

        A token that does not end in its bot's id ("") says nothing: then the last that ran under the alias.
        """
        accounts = self.filter(alias=alias).order_by("-pk")
        return (accounts.filter(user_id=user_id) if user_id else accounts).values_list("pk", flat=True).first()


class BotAccount(models.Model):
    """One bot identity: how far its events are stored, and which process polls for it."""

    alias = models.CharField(_("alias"), max_length=100, help_text=_('Its name in VKTEAMS_BOT["BOTS"].'))
    user_id = models.CharField(_("user id"), max_length=255)
    nick = models.CharField(_("nick"), max_length=255, blank=True)
    name = models.CharField(_("name"), max_length=255, blank=True)
    last_event_id = models.BigIntegerField(
        _("last event"), default=0, help_text=_("Events up to this one are stored and acknowledged.")
    )
    epoch = models.PositiveIntegerField(
        _("numbering"), default=0, help_text=_("Raised whenever the server has begun to number its events anew.")
    )
    last_event_at = models.DateTimeField(_("last event at"), null=True, blank=True)
    lease_owner = models.CharField(_("polled by"), max_length=255, blank=True)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    polled_at = models.DateTimeField(_("last poll"), null=True, blank=True)
    last_error = models.TextField(_("last error"), blank=True)
    last_error_at = models.DateTimeField(_("last error at"), null=True, blank=True)
    report = models.JSONField(
        _("report"), default=dict, blank=True, help_text=_("What the process that polls told of itself last.")
    )

    objects = BotAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("bot")
        verbose_name_plural = _("bots")
        constraints = (models.UniqueConstraint(fields=("alias", "user_id"), name="vkteams_bot_account_unique"),)

    def __str__(self) -> str:
        return f"{self.alias} ({self.nick or self.user_id})"

    @property
    def is_polled(self) -> bool:
        """Some process holds the lease now."""
        return bool(self.lease_owner and self.lease_until and self.lease_until > timezone.now())

    @property
    def is_failing(self) -> bool:
        """The last error is newer than the last answered poll."""
        if self.last_error_at is None:
            return False
        return self.polled_at is None or self.last_error_at > self.polled_at
