"""Rate limits: a policy, and a place that counts."""

from vkteams_bot.limits.bucket import Limiter, LocalLimiter, RatePolicy, wait_turn, wait_turn_sync

__all__ = ["Limiter", "LocalLimiter", "RatePolicy", "wait_turn", "wait_turn_sync"]
