"""What Celery beat has to start. Importable before Django is set up, as `celery.py` of a project needs it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery.schedules import crontab

from vkteams_bot import notify
from vkteams_bot.conf import conf

SWEEP_SECONDS = 2.0


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Entries for `app.conf.beat_schedule`: sweeping every 2 s, pruning daily at 4:20 of Celery's time zone."""
    return {
        notify.SWEEP: {
            "task": notify.SWEEP,
            "schedule": timedelta(seconds=SWEEP_SECONDS),
            # Sweeps that wait for a worker do not pile up.
            "options": {"queue": conf.reply_queue, "expires": 2 * SWEEP_SECONDS},
        },
        notify.PRUNE: {
            "task": notify.PRUNE,
            "schedule": crontab(hour="4", minute="20"),
            "options": {"queue": conf.bulk_queue, "expires": 12 * 3600},
        },
    }
