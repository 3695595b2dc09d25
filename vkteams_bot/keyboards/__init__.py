"""Inline keyboards."""

from vkteams_bot.keyboards.builder import InlineKeyboardBuilder
from vkteams_bot.keyboards.markup import Button, ButtonStyle, InlineKeyboardMarkup, NewButton

__all__ = ["Button", "ButtonStyle", "InlineKeyboardBuilder", "InlineKeyboardMarkup", "NewButton"]
