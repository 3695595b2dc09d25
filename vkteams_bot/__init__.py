"""Bots for VK Teams in Django. Importing this touches no settings, no models and no network."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magic_filter import F

    from vkteams_bot.api import Bot, InputFile, ParseMode
    from vkteams_bot.registry import bot, bots
    from vkteams_bot.routing import CancelHandler, Router, SkipHandler

__version__ = "0.1.0"

# Names are found when first used, so that `vkteams_bot.api` works as a library without Django.
_HOMES = {
    "Bot": "vkteams_bot.api",
    "CancelHandler": "vkteams_bot.routing",
    "F": "magic_filter",
    "InputFile": "vkteams_bot.api",
    "ParseMode": "vkteams_bot.api",
    "Router": "vkteams_bot.routing",
    "SkipHandler": "vkteams_bot.routing",
    "bot": "vkteams_bot.registry",
    "bots": "vkteams_bot.registry",
}

__all__ = ["Bot", "CancelHandler", "F", "InputFile", "ParseMode", "Router", "SkipHandler", "bot", "bots"]


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
