from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _


class ChatMessageQuerySet(models.QuerySet["ChatMessage"]):
    def older_than(self, moment: datetime) -> ChatMessageQuerySet:
        return self.filter(sent_at__lt=moment)

    def going(self, direction: str) -> ChatMessageQuerySet:
        return self.filter(direction=direction)

    def deleted(self) -> ChatMessageQuerySet:
        return self.filter(deleted_at__isnull=False)

    def of_chat(self, chat_key: int) -> ChatMessageQuerySet:
        return self.filter(chat=chat_key)

    def of_author(self, contact_key: int) -> ChatMessageQuerySet:
        return self.filter(contact=contact_key)


class ChatMessage(models.Model):
    """The chat log, both directions, with edits applied and deletions marked."""

    class Direction(models.TextChoices):
        IN = "in", _("from a person")
        OUT = "out", _("from the bot")

    chat = models.ForeignKey("Chat", models.CASCADE, db_index=False, related_name="messages", verbose_name=_("chat"))
    msg_id = models.CharField(_("message id"), max_length=64)
    direction = models.CharField(_("direction"), max_length=3, choices=Direction)
    contact = models.ForeignKey(
        "Contact",
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="messages",
        verbose_name=_("author"),
    )
    text = models.TextField(_("text"), blank=True)
    parts = models.JSONField(_("parts"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent"))
    edited_at = models.DateTimeField(_("edited"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)

    objects = ChatMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = (models.UniqueConstraint(fields=("chat", "msg_id"), name="vkteams_bot_message_unique"),)
        indexes = (
            models.Index(fields=("chat", "id"), name="vkteams_bot_message_chat"),
            models.Index(fields=("contact", "id"), name="vkteams_bot_message_author"),
            models.Index(
                fields=("id",), name="vkteams_bot_message_deleted", condition=models.Q(deleted_at__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return self.text[:80] or self.msg_id
