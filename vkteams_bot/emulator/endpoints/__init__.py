"""What each method of the Bot API does to the world, by its path."""

from vkteams_bot.emulator.endpoints import chats, events, files, members, messages, profile, threads
from vkteams_bot.emulator.endpoints.register import ENDPOINTS, Answer, Endpoint, serves

__all__ = [
    "ENDPOINTS",
    "Answer",
    "Endpoint",
    "chats",
    "events",
    "files",
    "members",
    "messages",
    "profile",
    "serves",
    "threads",
]
