from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Worker(models.Model):
    """A Celery worker that delivers. While one lives, polling processes leave delayed calls and broadcasts to it."""

    name = models.CharField(_("name"), max_length=255, unique=True)
    last_heartbeat = models.DateTimeField(_("last heartbeat"))

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.name
