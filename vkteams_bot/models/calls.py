from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from vkteams_bot.limits import Priority


class OutgoingCallQuerySet(models.QuerySet["OutgoingCall"]):
    """Which calls; what happens to them stands in `stores/outbox.py`."""

    def waiting(self) -> OutgoingCallQuerySet:
        return self.filter(status=OutgoingCall.Status.QUEUED)

    def sending(self) -> OutgoingCallQuerySet:
        """Claimed by a process; after that process died nobody knows whether they arrived."""
        return self.filter(status=OutgoingCall.Status.SENDING)

    def replies(self, account_id: int) -> OutgoingCallQuerySet:
        """What handlers of a bot returned: its polling process sends them, in the order of their conversations."""
        return self.filter(account_id=account_id, origin=OutgoingCall.Origin.REPLY)

    def notifications(self, account_id: int) -> OutgoingCallQuerySet:
        """What was delayed for a bot, and what its broadcasts send: whoever has time sends them."""
        return self.filter(account_id=account_id).exclude(origin=OutgoingCall.Origin.REPLY)

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
        """Finished, and written before `moment`; of a broadcast only when its results are final and kept."""
        kept = models.Q(broadcast=None) | models.Q(broadcast__counts__isnull=False)
        return self.finished(failed=failed).filter(kept, created_at__lt=moment)


class OutgoingCall(models.Model):
    """The outbox: a row before it is a request, written in the transaction that caused it.

    Its life, with every statement that changes `status`, stands in `stores/outbox.py`.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("waiting")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("not sent")
        UNKNOWN = "unknown", _("unknown")
        DROPPED = "dropped", _("dropped")

    class Origin(models.TextChoices):
        REPLY = "reply", _("a handler's reply")
        DELAYED = "delayed", _("a delayed call")
        BROADCAST = "broadcast", _("a broadcast")

    class PriorityChoice(models.IntegerChoices):
        REPLY = Priority.REPLY, _("reply")
        NOTIFICATION = Priority.NOTIFICATION, _("notification")
        BULK = Priority.BULK, _("bulk")

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
    broadcast = models.ForeignKey(
        "Broadcast",
        models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="calls",
        verbose_name=_("broadcast"),
    )
    origin = models.CharField(_("origin"), max_length=16, choices=Origin, default=Origin.REPLY)
    priority = models.PositiveSmallIntegerField(_("priority"), choices=PriorityChoice, default=Priority.REPLY.value)
    due_at = models.DateTimeField(_("due"), null=True, blank=True, help_text=_("Not sent before. Empty = at once."))
    claimed_by = models.CharField(
        _("claimed by"), max_length=255, blank=True, help_text=_("The process that is sending it.")
    )
    claimed_until = models.DateTimeField(
        _("claimed until"), null=True, blank=True, help_text=_("Renewed while that process lives.")
    )
    attempts = models.PositiveSmallIntegerField(
        _("attempts"), default=0, help_text=_("How often it was tried since it was written or resent.")
    )
    retry_until = models.DateTimeField(
        _("repeated until"), null=True, blank=True, help_text=_("After this time a try that does not succeed is final.")
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
        constraints = (
            models.UniqueConstraint(
                fields=("broadcast", "chat_id"),
                condition=models.Q(broadcast__isnull=False),
                name="vkteams_bot_call_recipient",
            ),
        )
        # As for Update: one per state that is asked for, none for what is finished.
        indexes = (
            # All that waits, where the polling process finds its replies; delayed calls; a broadcast's recipients.
            models.Index(
                fields=("status", "account", "origin", "id"),
                name="vkteams_bot_call_queued",
                condition=models.Q(status="queued"),
            ),
            models.Index(
                fields=("account", "priority", "due_at", "id"),
                name="vkteams_bot_call_due",
                condition=models.Q(status="queued", origin="delayed"),
            ),
            models.Index(
                fields=("broadcast", "id"),
                name="vkteams_bot_call_bulk",
                condition=models.Q(status="queued", origin="broadcast"),
            ),
            models.Index(
                fields=("status", "account", "chat_id"),
                name="vkteams_bot_call_sending",
                condition=models.Q(status="sending"),
            ),
            # What was put back: later calls of the same chat wait for it. Replies wait in their conversations instead.
            models.Index(
                fields=("account", "chat_id", "id"),
                name="vkteams_bot_call_put_back",
                condition=models.Q(status="queued", attempts__gt=0),
            ),
            models.Index(
                fields=("broadcast", "status"),
                name="vkteams_bot_call_broadcast",
                condition=models.Q(broadcast__isnull=False),
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
