"""Routing: an event in, its outcome out. Pure: no storage, no network, no Django."""

from vkteams_bot.routing.chat_action import typing_action
from vkteams_bot.routing.dispatched import UNHANDLED, CancelHandler, Dispatched, ErrorEvent, SkipHandler, Status
from vkteams_bot.routing.dispatcher import Dispatcher
from vkteams_bot.routing.middleware import BaseMiddleware, provides
from vkteams_bot.routing.router import Router

__all__ = [
    "UNHANDLED",
    "BaseMiddleware",
    "CancelHandler",
    "Dispatched",
    "Dispatcher",
    "ErrorEvent",
    "Router",
    "SkipHandler",
    "Status",
    "provides",
    "typing_action",
]
