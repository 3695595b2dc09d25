from celery import current_app
from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class VKTeamsBotConfig(AppConfig):
    name = "vkteams_bot"
    verbose_name = _("VK Teams bots")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # These import models, so they cannot stand at the top of this module.
        from vkteams_bot import checks, tasks  # noqa: F401 (registers the checks and the tasks)
        from vkteams_bot.live import receivers  # noqa: F401 (connects a signal)
        from vkteams_bot.registry import bots
        from vkteams_bot.stores.sent_log import DirectSentLog
        from vkteams_bot.worker import DatabaseOutbox

        bots.log_sent(DirectSentLog())
        bots.delay_into(DatabaseOutbox())
        # Celery knows the project's app only in the thread that made it: handlers would wake a broker on localhost.
        current_app.set_default()
