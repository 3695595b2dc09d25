from typing import ClassVar, Self

from django.db import models


class Visit(models.Model):
    """A handler was here: its own row, in its own transaction, so that a second run of the handler leaves a second."""

    chat_id = models.CharField(max_length=255)
    number = models.IntegerField()

    objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        app_label = "echo"

    def __str__(self) -> str:
        return f"{self.chat_id} {self.number}"
