"""Rate limits: a policy, and a place that counts."""

from vkteams_bot.limits.bucket import LocalLimiter, wait_turn, wait_turn_sync
from vkteams_bot.limits.policy import Granted, Limiter, RatePolicy, Share
from vkteams_bot.limits.priority import Priority

__all__ = ["Granted", "Limiter", "LocalLimiter", "Priority", "RatePolicy", "Share", "wait_turn", "wait_turn_sync"]
