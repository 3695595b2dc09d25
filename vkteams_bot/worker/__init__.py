"""Delivery by workers: claims of due rows, sent side by side, their results written in batches."""

from vkteams_bot.worker.delivery import deliver
from vkteams_bot.worker.outbox import DatabaseOutbox
from vkteams_bot.worker.resending import resend
from vkteams_bot.worker.sweeping import sweep

__all__ = ["DatabaseOutbox", "deliver", "resend", "sweep"]
