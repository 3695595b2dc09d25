"""Inline keyboards."""

from vkteams_bot.keyboards.builder import InlineKeyboardBuilder
from vkteams_bot.keyboards.callback_data import CallbackDataFactory, CallbackDataFilter
from vkteams_bot.keyboards.inline_keyboard import Button, ButtonStyle, InlineKeyboardMarkup, NewButton
from vkteams_bot.keyboards.paginator import Page, PageData, Paginator

__all__ = [
    "Button",
    "ButtonStyle",
    "CallbackDataFactory",
    "CallbackDataFilter",
    "InlineKeyboardBuilder",
    "InlineKeyboardMarkup",
    "NewButton",
    "Page",
    "PageData",
    "Paginator",
]
