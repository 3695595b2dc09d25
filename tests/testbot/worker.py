"""The Celery app of the process tests: `celery -A tests.testbot.worker worker`."""

import os

from celery import Celery

from vkteams_bot.beat import beat_schedule

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

SWEEP_SECONDS = float(os.environ.get("TESTBOT_SWEEP_SECONDS", "0.5"))

app = Celery("testbot", broker=os.environ["TEST_BROKER_URL"])
app.conf.update(
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    # Messages of a worker that was killed come again soon.
    broker_transport_options={"visibility_timeout": 5},
    beat_schedule={
        name: entry | {"schedule": SWEEP_SECONDS}
        for name, entry in beat_schedule().items()
        if name == "vkteams_bot.sweep"
    },
)
app.autodiscover_tasks()
