"""The filters, for `from vkteams_bot.filters import Command`."""

from vkteams_bot.routing import filters as _filters
from vkteams_bot.routing.filters import *  # noqa: F403

__all__ = _filters.__all__
