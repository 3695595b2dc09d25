from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _


class OutgoingCallQuerySet(models.QuerySet["OutgoingCall"]):
    def waiting(self) -> OutgoingCallQuerySet:
        return self.filter(status=OutgoingCall.Status.QUEUED)

    def sending(self) -> OutgoingCallQuerySet:
        """Claimed by a process; after that process died nobody knows whether they arrived."""
        return self.filter(status=OutgoingCall.Status.SENDING)

    def open(self) -> OutgoingCallQuerySet:
        """Waiting for an operator's decision."""
        return self.filter(status__in=OutgoingCall.OPEN)

    def older_than(self, moment: datetime) -> OutgoingCallQuerySet:
        """Finished before `moment`. Failed and unknown ones stay until somebody decides."""
        return self.filter(created_at__lt=moment, status__in=OutgoingCall.FINISHED)

    def resend(self) -> int:
        """Let the bot send failed and unknown ones again, within seconds; how many."""
        return self.open().update(status=OutgoingCall.Status.QUEUED, error="")

    def drop(self) -> int:
        """Give up on failed, unknown and waiting ones; how many."""
        statuses = (*OutgoingCall.OPEN, OutgoingCall.Status.QUEUED)
        return self.filter(status__in=statuses).update(status=OutgoingCall.Status.DROPPED)


class OutgoingCall(models.Model):
    """The outbox: a row before it is a request, written in the transaction that caused it."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("refused")
        UNKNOWN = "unknown", _("unknown")
        DROPPED = "dropped", _("dropped")

    OPEN = (Status.FAILED, Status.UNKNOWN)
    FINISHED = (Status.SENT, Status.DROPPED)

    id = models.UUIDField(
        _("id"), primary_key=True, help_text=_("Ascends with time; sent to the server as request-id.")
    )
    account = models.ForeignKey("BotAccount", models.CASCADE, related_name="calls", verbose_name=_("bot"))
    update = models.ForeignKey(
        "Update",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="calls",
        verbose_name=_("update"),
        help_text=_("The update whose handler returned this reply."),
    )
    method = models.CharField(_("method"), max_length=64)
    chat_id = models.CharField(_("chat id"), max_length=255, blank=True)
    params = models.JSONField(_("parameters"), default=dict)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.QUEUED)
    error = models.TextField(_("error"), blank=True)
    msg_id = models.CharField(_("message id"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = OutgoingCallQuerySet.as_manager()

    class Meta:
        verbose_name = _("outgoing call")
        verbose_name_plural = _("outgoing calls")
        # As for Update: one per state that is asked for, none for what is finished.
        indexes = (
            *(
                models.Index(
                    fields=("account", "id"), name=f"vkteams_bot_call_{status}", condition=models.Q(status=status)
                )
                for status in ("queued", "sending")
            ),
            *(
                models.Index(fields=("id",), name=f"vkteams_bot_call_{status}", condition=models.Q(status=status))
                for status in ("failed", "unknown", "dropped")
            ),
        )

    def __str__(self) -> str:
        return f"{self.method} → {self.chat_id}" if self.chat_id else self.method
