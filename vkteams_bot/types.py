"""The objects that events and answers are made of, for `from vkteams_bot.types import Message`."""

from vkteams_bot.api import types as _types
from vkteams_bot.api.files import InputFile
from vkteams_bot.api.types import *  # noqa: F403
from vkteams_bot.keyboards import Button, ButtonStyle, InlineKeyboardMarkup

__all__ = ["Button", "ButtonStyle", "InlineKeyboardMarkup", "InputFile"]
__all__ += _types.__all__
__all__.sort()
