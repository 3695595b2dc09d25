"""Where a bot's rate limit is counted: in Redis for all its processes, if a cache of django-redis is there."""

from __future__ import annotations

import hashlib

from django.core.cache import caches
from django.utils.module_loading import import_string

from vkteams_bot.conf import BotConfig, conf
from vkteams_bot.limits import Limiter, RatePolicy

REDIS_SECONDS = 0.3
"""The longest that Redis may hold up a caller, once: then the limit is counted without it."""


def shared_limiter(alias: str, config: BotConfig) -> Limiter | None:
    """The limiter that all processes of this bot share; None when RATE_LIMIT_CACHE is not of django-redis."""
    if not is_shared(conf.rate_limit_cache):
        return None
    # The extra `redis` may not be installed, and takes a tenth of a second to import.
    from vkteams_bot.limits.shared import SharedLimiter
    from vkteams_bot.redis_clients import impatient_client

    policy = RatePolicy(rate=config.rate_limit, burst=config.burst, chat_rate=config.chat_rate_limit)
    client = impatient_client(conf.rate_limit_cache, seconds=REDIS_SECONDS)
    return SharedLimiter(policy, client, key=_identity(alias, config), title=alias)


def is_shared(cache: str) -> bool:
    """The cache is of django-redis, so it can count for several processes."""
    settings = caches.settings.get(cache)
    if settings is None:
        return False
    backend = import_string(settings["BACKEND"])
    return any(parent.__module__ == "django_redis.cache" for parent in backend.__mro__)


def _identity(alias: str, config: BotConfig) -> str:
    """The same for all who send as this bot, and without the secret part of its token."""
    _, colon, user_id = config.token.rpartition(":")
    who = user_id if colon else f"alias {alias}"
    return hashlib.sha256(f"{config.api_url.rstrip('/')} {who}".encode()).hexdigest()[:16]
