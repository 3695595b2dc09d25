"""Filters: what an event must be for a handler to get it."""

from vkteams_bot.routing.filters.base import BaseFilter
from vkteams_bot.routing.filters.callback import CallbackData, CallbackDataRegexpFilter
from vkteams_bot.routing.filters.command import Command, CommandObject
from vkteams_bot.routing.filters.errors import ExceptionTypeFilter
from vkteams_bot.routing.filters.origin import ChatTypeFilter, SenderFilter
from vkteams_bot.routing.filters.parts import (
    AudioFilter,
    FileFilter,
    ForwardFilter,
    ImageFilter,
    MentionFilter,
    ReplyFilter,
    StickerFilter,
    VideoFilter,
    VoiceFilter,
)
from vkteams_bot.routing.filters.state import StateFilter
from vkteams_bot.routing.filters.text import RegexpFilter, RegexpPartsFilter, URLFilter
from vkteams_bot.routing.filters.users import HasPerm, IsLinked, IsStaff

__all__ = [
    "AudioFilter",
    "BaseFilter",
    "CallbackData",
    "CallbackDataRegexpFilter",
    "ChatTypeFilter",
    "Command",
    "CommandObject",
    "ExceptionTypeFilter",
    "FileFilter",
    "ForwardFilter",
    "HasPerm",
    "ImageFilter",
    "IsLinked",
    "IsStaff",
    "MentionFilter",
    "RegexpFilter",
    "RegexpPartsFilter",
    "ReplyFilter",
    "SenderFilter",
    "StateFilter",
    "StickerFilter",
    "URLFilter",
    "VideoFilter",
    "VoiceFilter",
]
