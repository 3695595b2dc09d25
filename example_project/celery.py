"""The Celery app: `celery -A example_project worker -Q celery,vkteams.reply,vkteams.bulk`, and `… beat`."""

import os

from celery import Celery

from vkteams_bot.beat import beat_schedule

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

app = Celery("example_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = beat_schedule()
