"""Wrong configuration fails at start, by a system check with a stable id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.cache import caches
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, connection
from django.db import Error as DatabaseFailure
from django.utils import timezone
from django.utils.module_loading import import_string

from vkteams_bot.conf import conf, problems
from vkteams_bot.discovery import build_dispatcher, discover_routers
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.notify import has_broker
from vkteams_bot.worker.duty import duties

TAG = "vkteams_bot"
VENDORS = ("postgresql", "sqlite")
DJANGO_REDIS_CACHE = "django.core.cache.backends.redis.RedisCache"


@register(TAG)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    messages: list[CheckMessage] = [Error(problem, hint=hint, id="vkteams_bot.E001") for problem, hint in problems()]
    try:
        import_string(conf.fsm_storage)
    except ImportError as error:
        hint = 'Use "vkteams_bot.fsm.storages.OrmStorage" (the default), CacheStorage or MemoryStorage.'
        messages.append(Error(f"FSM_STORAGE cannot be imported: {error}", hint=hint, id="vkteams_bot.E002"))
    return messages


@register(TAG)
def check_handlers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        routers = discover_routers()
        build_dispatcher()
    except ConfigurationError as error:
        return [Error(str(error), id="vkteams_bot.E003")]
    if not routers and conf.aliases:
        hint = f"Create <app>/{conf.handlers_module}.py with `router = Router()` in an app of INSTALLED_APPS."
        return [Warning("No app declares handlers: the bot would answer nothing.", hint=hint, id="vkteams_bot.W001")]
    return []


@register(TAG)
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if connection.vendor in VENDORS:
        return []
    hint = "Use PostgreSQL (or SQLite for development)."
    return [Error(f"vkteams_bot does not run on {connection.vendor}.", hint=hint, id="vkteams_bot.E004")]


@register(TAG)
def check_delivery(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if conf.delivery != "workers" or has_broker():
        return []
    problem = 'DELIVERY is "workers", but Celery has no broker: delayed calls and broadcasts would stay where they are.'
    hint = 'Give Celery a broker (CELERY_BROKER_URL), or let runbot deliver: DELIVERY = "auto".'
    return [Warning(problem, hint=hint, id="vkteams_bot.W003")]


@register(Tags.database)
def check_who_delivers(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """For `manage.py check --database default`."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        found = list(duties(timezone.now()))
    except DatabaseFailure:
        return []  # not migrated yet, or away: others say so
    messages: list[CheckMessage] = []
    for duty in found:
        text = f"{duty.account}: {duty}"
        if duty.is_neglected:
            hint = "Start runbot or a Celery worker with beat. What no bot may send: move or drop it on the bot's page."
            messages.append(Warning(text, hint=hint, id="vkteams_bot.W004"))
        else:
            messages.append(Info(text, id="vkteams_bot.I001"))
    return messages


@register(TAG)
def check_rate_limit_cache(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if not isinstance(conf.rate_limit_cache, str):
        return []  # E001 says what is wrong
    cache = caches.settings.get(conf.rate_limit_cache)
    if cache is None:
        hint = f"Use one of CACHES: {', '.join(caches.settings)}."
        problem = f"RATE_LIMIT_CACHE is {conf.rate_limit_cache!r}: there is no such cache."
        return [Error(problem, hint=hint, id="vkteams_bot.E005")]
    if cache["BACKEND"] == DJANGO_REDIS_CACHE and any(_is_limited(alias) for alias in conf.aliases):
        problem = (
            f"The cache {conf.rate_limit_cache!r} is Django's own Redis cache: each process counts RATE_LIMIT alone."
        )
        hint = 'Use "django_redis.cache.RedisCache" (pip install django-redis), so that all processes share the limit.'
        return [Warning(problem, hint=hint, id="vkteams_bot.W002")]
    return []


def _is_limited(alias: str) -> bool:
    try:
        config = conf.bot(alias)
    except ConfigurationError:
        return False  # E001 says what is wrong
    return bool(config.rate_limit or config.chat_rate_limit)
