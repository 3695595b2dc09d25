from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VKTeamsBotConfig(AppConfig):
    name = "vkteams_bot"
    verbose_name = _("VK Teams bots")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Both import models, so they cannot stand at the top of this module.
        from vkteams_bot import checks  # noqa: F401 (registers the checks)
        from vkteams_bot.registry import bots
        from vkteams_bot.stores.sent_log import DirectSentLog

        bots.log_sent(DirectSentLog())
