"""Tests of bots: people in a messenger in memory talk to the handlers of the project, which really run."""

from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.testing.act import Act
from vkteams_bot.testing.cases import BotTestCase, BotTestMixin
from vkteams_bot.testing.failures import CallRefused, HandlerFailed, NotSettled
from vkteams_bot.testing.group import Group
from vkteams_bot.testing.messenger import Chat
from vkteams_bot.testing.person import Person
from vkteams_bot.testing.seen import Message, Seen, SeenFile, TaskMessage

__all__ = [
    "Act",
    "BotTestCase",
    "BotTestMixin",
    "CallRefused",
    "Chat",
    "Group",
    "HandlerFailed",
    "Message",
    "NotSettled",
    "Person",
    "Refusal",
    "Seen",
    "SeenFile",
    "TaskMessage",
]
