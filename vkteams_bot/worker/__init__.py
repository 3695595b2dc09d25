"""Delivery: what is due is claimed, sent side by side and recorded, by one engine for all who send."""

from vkteams_bot.worker.delay import DatabaseOutbox
from vkteams_bot.worker.delivery import deliver
from vkteams_bot.worker.resending import resend
from vkteams_bot.worker.sweeping import sweep

__all__ = ["DatabaseOutbox", "deliver", "resend", "sweep"]
