"""The Celery app of the section `broadcast`."""

from celery import Celery

from vkteams_bot.beat import beat_schedule

app = Celery("bench")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = beat_schedule()
