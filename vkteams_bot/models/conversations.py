from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def expired(self) -> ConversationQuerySet:
        return self.filter(expires_at__lt=timezone.now())

    def reset(self) -> int:
        """Forget state and data; how many. A change that a running handler makes meanwhile is dropped."""
        return self.update(
            state=None, data={}, expires_at=None, version=models.F("version") + 1, updated_at=timezone.now()
        )


class Conversation(models.Model):
    """FSM state and data of one conversation: by default, of one person in one chat."""

    account = models.ForeignKey("BotAccount", models.CASCADE, related_name="conversations", verbose_name=_("bot"))
    chat_id = models.CharField(_("chat id"), max_length=255, blank=True)
    user_id = models.CharField(_("user id"), max_length=255, blank=True)
    state = models.CharField(_("state"), max_length=255, null=True, blank=True)  # noqa: DJ001 (None = no state)
    data = models.JSONField(_("data"), default=dict, blank=True)
    version = models.PositiveIntegerField(
        _("version"), default=0, help_text=_("Grows with each change, so that two writers cannot overwrite each other.")
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    updated_at = models.DateTimeField(_("changed"))

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        constraints = (
            models.UniqueConstraint(fields=("account", "chat_id", "user_id"), name="vkteams_bot_conversation_unique"),
        )
        indexes = (
            models.Index(
                fields=("expires_at",),
                name="vkteams_bot_conv_expires",
                condition=models.Q(expires_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return " / ".join(part for part in (self.chat_id, self.user_id) if part)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """An edit by hand wins over a handler that runs meanwhile: the version moves on."""
        self.version += 1
        self.updated_at = timezone.now()
        super().save(*args, **kwargs)
