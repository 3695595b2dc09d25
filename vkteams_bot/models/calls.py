from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone
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

    def in_status(self, status: str) -> OutgoingCallQuerySet:
        return self.filter(status=status)

    def of_chat(self, chat_id: str) -> OutgoingCallQuerySet:
        return self.filter(chat_id=chat_id)

    def finished(self, *, failed: bool = False) -> OutgoingCallQuerySet:
        """Nothing will happen to them. Failed and unknown ones only if asked for: they stay until somebody decides."""
        return self.filter(status__in=(*OutgoingCall.FINISHED, *OutgoingCall.OPEN) if failed else OutgoingCall.FINISHED)

    def older_than(self, moment: datetime, *, failed: bool = False) -> OutgoingCallQuerySet:
        """Finished, and written before `moment`."""
        return self.finished(failed=failed).filter(created_at__lt=moment)

    def resend(self) -> int:
        """Let the bot send failed and unknown ones again, within seconds; how many."""
        return self.open().update(status=OutgoingCall.Status.QUEUED, error="", finished_at=None)

    def drop(self) -> int:
        """Give up on failed, unknown and waiting ones; how many."""
        statuses = (*OutgoingCall.OPEN, OutgoingCall.Status.QUEUED)
        return self.filter(status__in=statuses).update(status=OutgoingCall.Status.DROPPED, finished_at=timezone.now())


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
    account = models.ForeignKey(
        "BotAccount", models.CASCADE, db_index=False, related_name="calls", verbose_name=_("bot")
    )
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
                    fields=("status", "account", "id"),
                    name=f"vkteams_bot_call_{status}",
                    condition=models.Q(status=status),
                )
                for status in ("queued", "sending")
            ),
            *(
                models.Index(fields=("id",), name=f"vkteams_bot_call_{status}", condition=models.Q(status=status))
                for status in ("failed", "unknown", "dropped")
            ),
            # For the admin: one bot, one chat.
            models.Index(fields=("account", "id"), name="vkteams_bot_call_account"),
            models.Index(fields=("chat_id", "id"), name="vkteams_bot_call_chat"),
        )

    def __str__(self) -> str:
        return f"{self.method} → {self.chat_id}" if self.chat_id else self.method
