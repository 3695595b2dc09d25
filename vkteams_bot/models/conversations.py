from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def expired(self) -> ConversationQuerySet:
        return self.filter(expires_at__lt=timezone.now())

    def in_dialog(self) -> ConversationQuerySet:
        return self.filter(state__isnull=False)

    def of_chat(self, chat_id: str) -> ConversationQuerySet:
        return self.filter(chat_id=chat_id)

    def of_user_in_groups(self, user_id: str) -> ConversationQuerySet:
        """A person's outside of their private chat, whose id is theirs."""
        return self.filter(~models.Q(user_id=models.F("chat_id")), user_id=user_id)

    def over_since(self, moment: datetime) -> ConversationQuerySet:
        """Nothing is lost with them: their time ran out, or they were left without state and data, before `moment`."""
        empty = models.Q(state=None, data={}, updated_at__lt=moment)
        return self.filter(empty | models.Q(expires_at__lt=moment))

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
            models.UniqueConstraint(fields=("chat_id", "user_id", "account"), name="vkteams_bot_conversation_unique"),
        )
        indexes = (
            models.Index(
                fields=("expires_at",),
                name="vkteams_bot_conv_expires",
                condition=models.Q(expires_at__isnull=False),
            ),
            # For the admin: who is in the middle of a dialog, and one person.
            models.Index(fields=("id",), name="vkteams_bot_conv_dialog", condition=models.Q(state__isnull=False)),
            models.Index(
                fields=("user_id", "id"),
                name="vkteams_bot_conv_user",
                condition=~models.Q(user_id=models.F("chat_id")),
            ),
        )

    def __str__(self) -> str:
        return " / ".join(dict.fromkeys(part for part in (self.chat_id, self.user_id) if part))

    def save(self, *args: Any, **kwargs: Any) -> None:
        """An edit by hand wins over a handler that runs meanwhile: the version moves on."""
        self.version += 1
        self.updated_at = timezone.now()
        super().save(*args, **kwargs)

    @property
    def is_expired(self) -> bool:
        """Its time ran out: handlers find it empty."""
        return self.expires_at is not None and self.expires_at <= timezone.now()
