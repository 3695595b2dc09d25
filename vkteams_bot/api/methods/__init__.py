"""Methods of the Bot API as values, one per endpoint (botapi.md §2)."""

from vkteams_bot.api.methods.base import METHODS, Method, MsgId, WireError, WireParams
from vkteams_bot.api.methods.chats import (
    CreateChat,
    GetChatInfo,
    PinMessage,
    SendActions,
    SetChatAbout,
    SetChatAvatar,
    SetChatRules,
    SetChatTitle,
    UnpinMessage,
)
from vkteams_bot.api.methods.events import GetEvents
from vkteams_bot.api.methods.files import GetFileInfo
from vkteams_bot.api.methods.members import (
    AddChatMembers,
    BlockUser,
    DeleteChatMembers,
    GetBlockedUsers,
    GetChatAdmins,
    GetChatMembers,
    GetPendingUsers,
    ResolvePending,
    UnblockUser,
)
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
from vkteams_bot.api.methods.threads import ThreadsAdd, ThreadsAutosubscribe, ThreadsGetSubscribers

__all__ = [
    "METHODS",
    "AddChatMembers",
    "AnswerCallbackQuery",
    "BlockUser",
    "CreateChat",
    "DeleteChatMembers",
    "DeleteMessages",
    "EditText",
    "GetBlockedUsers",
    "GetChatAdmins",
    "GetChatInfo",
    "GetChatMembers",
    "GetEvents",
    "GetFileInfo",
    "GetMe",
    "GetPendingUsers",
    "Method",
    "MsgId",
    "PinMessage",
    "ResolvePending",
    "SendActions",
    "SendFile",
    "SendText",
    "SendTextWithDeeplink",
    "SendVoice",
    "SetChatAbout",
    "SetChatAvatar",
    "SetChatRules",
    "SetChatTitle",
    "ThreadsAdd",
    "ThreadsAutosubscribe",
    "ThreadsGetSubscribers",
    "UnblockUser",
    "UnpinMessage",
    "WireError",
    "WireParams",
]
