import os

from django.apps import AppConfig
from django.db import models


class EchoConfig(AppConfig):
    name = "echo"

    def ready(self) -> None:
        if os.environ.get("CHAOS_NEXT_VERSION"):
            from vkteams_bot.models import OutgoingCall, Update

            # What `next_version` adds to the tables.
            Update.add_to_class("region", models.CharField(max_length=20, db_default=""))
            OutgoingCall.add_to_class("campaign", models.CharField(max_length=20, null=True, default="new"))
