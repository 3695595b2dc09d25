"""The operator's view: what is pending, done, failed or uncertain, and the buttons that decide about it."""

from vkteams_bot.admin.accounts import BotAccountAdmin
from vkteams_bot.admin.broadcasts.admin import BroadcastAdmin
from vkteams_bot.admin.calls import OutgoingCallAdmin
from vkteams_bot.admin.chats import ChatAdmin
from vkteams_bot.admin.contacts import ContactAdmin
from vkteams_bot.admin.conversations import ConversationAdmin
from vkteams_bot.admin.messages import ChatMessageAdmin
from vkteams_bot.admin.updates import UpdateAdmin

__all__ = [
    "BotAccountAdmin",
    "BroadcastAdmin",
    "ChatAdmin",
    "ChatMessageAdmin",
    "ContactAdmin",
    "ConversationAdmin",
    "OutgoingCallAdmin",
    "UpdateAdmin",
]
