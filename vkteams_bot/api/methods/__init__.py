"""Methods of the Bot API as values, one per endpoint (botapi.md §2)."""

from vkteams_bot.api.methods.base import METHODS, Method, MsgId, WireError, WireParams
from vkteams_bot.api.methods.chats import GetChatInfo, SendActions
from vkteams_bot.api.methods.events import GetEvents
from vkteams_bot.api.methods.files import GetFileInfo
from vkteams_bot.api.methods.messages import (
    AnswerCallbackQuery,
    DeleteMessages,
    EditText,
    SendFile,
    SendText,
    SendTextWithDeeplink,
    SendVoice,
)
from vkteams_bot.api.methods.self import GetMe

__all__ = [
    "METHODS",
    "AnswerCallbackQuery",
    "DeleteMessages",
    "EditText",
    "GetChatInfo",
    "GetEvents",
    "GetFileInfo",
    "GetMe",
    "Method",
    "MsgId",
    "SendActions",
    "SendFile",
    "SendText",
    "SendTextWithDeeplink",
    "SendVoice",
    "WireError",
    "WireParams",
]
