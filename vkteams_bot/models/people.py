from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Chat(models.Model):
    """A chat that a bot has seen. A private chat's id is the peer's user id."""

    class Type(models.TextChoices):
        PRIVATE = "private", _("private")
        GROUP = "group", _("group")
        CHANNEL = "channel", _("channel")

    account = models.ForeignKey("BotAccount", models.CASCADE, related_name="chats", verbose_name=_("bot"))
    chat_id = models.CharField(_("chat id"), max_length=255)
    type = models.CharField(_("type"), max_length=32, choices=Type)
    title = models.CharField(_("title"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("first seen"))
    unreachable_at = models.DateTimeField(
        _("unreachable since"), null=True, blank=True, help_text=_("A send was refused for good: blocked, unknown.")
    )
    unreachable_reason = models.CharField(_("reason"), max_length=255, blank=True, db_default="")

    class Meta:
        verbose_name = _("chat")
        verbose_name_plural = _("chats")
        constraints = (models.UniqueConstraint(fields=("chat_id", "account"), name="vkteams_bot_chat_unique"),)

    def __str__(self) -> str:
        return self.title or self.chat_id


class ContactQuerySet(models.QuerySet["Contact"]):
    def link(self) -> int:
        """Link those without a user to the one active user of this site whose e-mail is their id; how many."""
        contacts = {
            contact.user_id.lower(): contact for contact in self.filter(django_user=None, user_id__contains="@")
        }
        users_model = get_user_model()
        email = Lower(users_model.get_email_field_name())
        users = users_model._default_manager.annotate(_email=email).filter(_email__in=list(contacts), is_active=True)
        owners: dict[str, list[Any]] = {}
        for key, address in users.values_list("pk", "_email"):
            owners.setdefault(address, []).append(key)
        linked = []
        for address, keys in owners.items():
            if len(keys) == 1:
                contacts[address].django_user_id = keys[0]
                linked.append(contacts[address])
        return self.model._default_manager.bulk_update(linked, ["django_user"], batch_size=500)


class Contact(models.Model):
    """A person or bot that wrote or was named in an event."""

    user_id = models.CharField(_("user id"), max_length=255, unique=True)
    first_name = models.CharField(_("first name"), max_length=255, blank=True)
    last_name = models.CharField(_("last name"), max_length=255, blank=True)
    nick = models.CharField(_("nick"), max_length=255, blank=True)
    django_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="vkteams_contacts",
        verbose_name=_("user"),
        help_text=_("The user of this site. Matched by e-mail when the contact is first seen."),
    )
    created_at = models.DateTimeField(_("first seen"))

    objects = ContactQuerySet.as_manager()

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")

    def __str__(self) -> str:
        return self.full_name or self.user_id

    @property
    def full_name(self) -> str:
        return " ".join(part for part in (self.first_name, self.last_name) if part)
