from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VKTeamsBotConfig(AppConfig):
    name = "vkteams_bot"
    verbose_name = _("VK Teams bots")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from vkteams_bot import checks  # noqa: F401 (registers the checks; needs the app registry)
