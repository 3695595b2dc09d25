from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _


class UpdateQuerySet(models.QuerySet["Update"]):
    def waiting(self) -> UpdateQuerySet:
        """Stored and not finished: what a starting bot runs first."""
        return self.filter(status__in=Update.UNFINISHED)

    def failed(self) -> UpdateQuerySet:
        return self.filter(status=Update.Status.FAILED)

    def older_than(self, moment: datetime) -> UpdateQuerySet:
        """Finished and stored before `moment`. Failed ones stay: somebody has to look at them first."""
        return self.filter(created_at__lt=moment, status__in=Update.FINISHED)

    def retry(self) -> int:
        """Let the bot handle failed and unhandled ones again, within seconds; how many."""
        return self.filter(status__in=Update.RETRYABLE).update(
            status=Update.Status.RETRY, error="", attempts=0, done_at=None
        )


class Update(models.Model):
    """The inbox: every event, stored before it is acknowledged."""

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        RUNNING = "running", _("running")
        RETRY = "retry", _("to be retried")
        DONE = "done", _("done")
        UNHANDLED = "unhandled", _("no handler")
        FAILED = "failed", _("failed")
        INVALID = "invalid", _("not understood")
        SKIPPED = "skipped", _("skipped")

    UNFINISHED = (Status.PENDING, Status.RUNNING, Status.RETRY)
    FINISHED = (Status.DONE, Status.UNHANDLED, Status.INVALID, Status.SKIPPED)
    RETRYABLE = (Status.FAILED, Status.UNHANDLED, Status.SKIPPED)

    account = models.ForeignKey("BotAccount", models.CASCADE, related_name="updates", verbose_name=_("bot"))
    event_id = models.BigIntegerField(_("event"), help_text=_("Negative: the event came without a usable number."))
    type = models.CharField(_("type"), max_length=64)
    chat_id = models.CharField(_("chat id"), max_length=255, blank=True)
    user_id = models.CharField(_("user id"), max_length=255, blank=True)
    payload = models.JSONField(_("payload"), help_text=_("The event as it came."))
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(
        _("interrupted runs"),
        default=0,
        help_text=_("How often the process died while this was (or may have been) running."),
    )
    handler = models.CharField(_("handler"), max_length=255, blank=True)
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("received"))
    done_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = UpdateQuerySet.as_manager()

    class Meta:
        verbose_name = _("update")
        verbose_name_plural = _("updates")
        constraints = (models.UniqueConstraint(fields=("account", "event_id"), name="vkteams_bot_update_unique"),)
        # One partial index per state that is asked for: SQLite uses them for `status = …`, not for `status IN …`,
        # and a finished update stands in none of them.
        indexes = (
            *(
                models.Index(
                    fields=("account", "id"), name=f"vkteams_bot_update_{status}", condition=models.Q(status=status)
                )
                for status in ("pending", "running", "retry")
            ),
            *(
                models.Index(fields=("id",), name=f"vkteams_bot_update_{status}", condition=models.Q(status=status))
                for status in ("failed", "invalid", "unhandled", "skipped")
            ),
        )

    def __str__(self) -> str:
        return f"{self.type or '?'} #{self.event_id}"
