from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _


class UpdateQuerySet(models.QuerySet["Update"]):
    """Which updates; what happens to them stands in `stores/inbox.py`."""

    def waiting(self) -> UpdateQuerySet:
        """Stored and not finished: what a starting bot runs first."""
        return self.filter(status__in=Update.UNFINISHED)

    def failed(self) -> UpdateQuerySet:
        return self.filter(status=Update.Status.FAILED)

    def in_status(self, status: str) -> UpdateQuerySet:
        return self.filter(status=status)

    def of_chat(self, chat_id: str) -> UpdateQuerySet:
        return self.filter(chat_id=chat_id)

    def of_user_in_groups(self, user_id: str) -> UpdateQuerySet:
        """What a person did outside of their private chat, whose id is theirs."""
        return self.filter(~models.Q(user_id=models.F("chat_id")), user_id=user_id)

    def older_than(self, moment: datetime, *, failed: bool = False) -> UpdateQuerySet:
        """Finished and stored before `moment`. Failed ones only if asked for: somebody has to look at them first."""
        statuses = (*Update.FINISHED, Update.Status.FAILED) if failed else Update.FINISHED
        return self.filter(created_at__lt=moment, status__in=statuses)


class Update(models.Model):
    """The inbox: every event, stored before it is acknowledged."""

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        RUNNING = "running", _("running")
        ALONE = "alone", _("running alone")
        RETRY = "retry", _("to be retried")
        DONE = "done", _("done")
        UNHANDLED = "unhandled", _("no handler")
        FAILED = "failed", _("failed")
        INVALID = "invalid", _("not understood")
        SKIPPED = "skipped", _("skipped")

    UNFINISHED = (Status.PENDING, Status.RUNNING, Status.ALONE, Status.RETRY)
    FINISHED = (Status.DONE, Status.UNHANDLED, Status.INVALID, Status.SKIPPED)
    RETRYABLE = (Status.FAILED, Status.UNHANDLED, Status.SKIPPED)

    account = models.ForeignKey(
        "BotAccount", models.CASCADE, db_index=False, related_name="updates", verbose_name=_("bot")
    )
    event_id = models.BigIntegerField(_("event"), help_text=_("Negative: the event came without a usable number."))
    epoch = models.PositiveIntegerField(
        _("numbering"), default=0, help_text=_("Raised whenever the server has begun to number its events anew.")
    )
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
    alone_runs = models.PositiveSmallIntegerField(
        _("runs alone"), default=0, help_text=_("How often this ran alone, to find what kills the process.")
    )
    crashed_in = models.CharField(
        _("last crash in"),
        max_length=255,
        blank=True,
        help_text=_("The process that died last while this was running."),
    )
    handler = models.CharField(_("handler"), max_length=255, blank=True)
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("received"))
    done_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = UpdateQuerySet.as_manager()

    class Meta:
        verbose_name = _("update")
        verbose_name_plural = _("updates")
        constraints = (
            models.UniqueConstraint(fields=("account", "event_id", "epoch"), name="vkteams_bot_update_unique"),
        )
        # One partial index per state that is asked for: SQLite uses them for `status = …`, not for `status IN …`,
        # and a finished update stands in none of them. The status leads those that the running bot asks for: two
        # columns that match make SQLite prefer them to the index by account, in whatever order both were made.
        indexes = (
            *(
                models.Index(
                    fields=("status", "account", "id"),
                    name=f"vkteams_bot_update_{status}",
                    condition=models.Q(status=status),
                )
                for status in ("pending", "running", "alone", "retry")
            ),
            *(
                models.Index(fields=("id",), name=f"vkteams_bot_update_{status}", condition=models.Q(status=status))
                for status in ("failed", "invalid", "unhandled", "skipped")
            ),
            models.Index(
                fields=("crashed_in", "account"),
                name="vkteams_bot_update_crashed",
                condition=~models.Q(crashed_in=""),
            ),
            # For the admin: one bot, one chat, one person. In a private chat the person is the chat.
            models.Index(fields=("account", "id"), name="vkteams_bot_update_account"),
            models.Index(fields=("chat_id", "id"), name="vkteams_bot_update_chat"),
            models.Index(
                fields=("user_id", "id"),
                name="vkteams_bot_update_user",
                condition=~models.Q(user_id=models.F("chat_id")),
            ),
        )

    def __str__(self) -> str:
        return f"{self.type or '?'} #{self.event_id}"
