"""Delivery by workers: claims of due rows, sent side by side, their results written in lots."""

from vkteams_bot.queue.delivery import deliver
from vkteams_bot.queue.outbox import DatabaseOutbox
from vkteams_bot.queue.resending import resend
from vkteams_bot.queue.sweeping import sweep

__all__ = ["DatabaseOutbox", "deliver", "resend", "sweep"]
