from typing import ClassVar, Self

from django.db import models


class Record(models.Model):
    """A handler was here: written by the handler itself, so it stays when the handler runs again."""

    conversation = models.CharField(max_length=300)
    number = models.IntegerField()
    pid = models.IntegerField()
    thread = models.CharField(max_length=100)
    running = models.IntegerField(default=0, help_text="Handlers of this process that ran at this moment.")
    began = models.FloatField()
    bot = models.CharField(max_length=100)

    objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        app_label = "testbot"

    def __str__(self) -> str:
        return f"{self.conversation} {self.number}"
