"""Every method as a typed `bot.name(...)`. The names are those of FEATURES: what peers' users know."""

from __future__ import annotations

from functools import partial

from vkteams_bot.api import methods
from vkteams_bot.api.call import Endpoint, Executor
from vkteams_bot.api.types import MemberWalk


class Facade:
    """Mixin of Bot. Each attribute takes the parameters of its method and returns a Call."""

    get_me = Endpoint(methods.GetMe)
    get_events = Endpoint(methods.GetEvents)

    send_text = Endpoint(methods.SendText)
    send_text_with_deeplink = Endpoint(methods.SendTextWithDeeplink)
    send_file = Endpoint(methods.SendFile)
    send_voice = Endpoint(methods.SendVoice)
    edit_text = Endpoint(methods.EditText)
    delete_messages = Endpoint(methods.DeleteMessages)
    answer_callback_query = Endpoint(methods.AnswerCallbackQuery)

    create_chat = Endpoint(methods.CreateChat)
    get_chat_info = Endpoint(methods.GetChatInfo)
    send_actions = Endpoint(methods.SendActions)
    set_chat_title = Endpoint(methods.SetChatTitle)
    set_chat_about = Endpoint(methods.SetChatAbout)
    set_chat_rules = Endpoint(methods.SetChatRules)
    set_chat_avatar = Endpoint(methods.SetChatAvatar)
    pin_message = Endpoint(methods.PinMessage)
    unpin_message = Endpoint(methods.UnpinMessage)

    get_chat_admins = Endpoint(methods.GetChatAdmins)
    get_chat_members = Endpoint(methods.GetChatMembers)
    get_blocked_users = Endpoint(methods.GetBlockedUsers)
    get_pending_users = Endpoint(methods.GetPendingUsers)
    add_chat_members = Endpoint(methods.AddChatMembers)
    delete_chat_members = Endpoint(methods.DeleteChatMembers)
    block_user = Endpoint(methods.BlockUser)
    unblock_user = Endpoint(methods.UnblockUser)
    resolve_pending = Endpoint(methods.ResolvePending)

    threads_add = Endpoint(methods.ThreadsAdd)
    threads_get_subscribers = Endpoint(methods.ThreadsGetSubscribers)
    threads_autosubscribe = Endpoint(methods.ThreadsAutosubscribe)

    get_file_info = Endpoint(methods.GetFileInfo)

    def iter_chat_members(self: Executor, chat_id: str) -> MemberWalk:
        """Every member of a chat, over all pages: `async for`, or `for` in synchronous code."""
        return MemberWalk(partial(Facade.get_chat_members, self, chat_id))
