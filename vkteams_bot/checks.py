"""Wrong configuration fails at start, by a system check with a stable id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connection
from django.utils.module_loading import import_string

from vkteams_bot.conf import conf, problems
from vkteams_bot.discovery import build_dispatcher, discover_routers
from vkteams_bot.exceptions import ConfigurationError

TAG = "vkteams_bot"
VENDORS = ("postgresql", "sqlite")


@register(TAG)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = [Error(problem, hint=hint, id="vkteams_bot.E001") for problem, hint in problems()]
    try:
        import_string(conf.fsm_storage)
    except ImportError as error:
        hint = 'Use "vkteams_bot.fsm.storages.OrmStorage" (the default), CacheStorage or MemoryStorage.'
        found.append(Error(f"FSM_STORAGE cannot be imported: {error}", hint=hint, id="vkteams_bot.E002"))
    return found


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
