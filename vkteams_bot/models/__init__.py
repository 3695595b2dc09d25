"""The database is the truth, in both directions."""

from vkteams_bot.models.accounts import BotAccount
from vkteams_bot.models.broadcasts import Broadcast, BroadcastAction
from vkteams_bot.models.calls import OutgoingCall
from vkteams_bot.models.conversations import Conversation
from vkteams_bot.models.messages import ChatMessage
from vkteams_bot.models.people import Chat, Contact
from vkteams_bot.models.updates import Update
from vkteams_bot.models.workers import Worker

__all__ = [
    "BotAccount",
    "Broadcast",
    "BroadcastAction",
    "Chat",
    "ChatMessage",
    "Contact",
    "Conversation",
    "OutgoingCall",
    "Update",
    "Worker",
]
