"""threads/*"""

from __future__ import annotations

from vkteams_bot.api.methods import ThreadsAdd, ThreadsAutosubscribe, ThreadsGetSubscribers
from vkteams_bot.emulator.endpoints.groups import page, root_of
from vkteams_bot.emulator.endpoints.register import Answer, serves
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World

DEFAULT_PAGE_SIZE = 100


@serves(ThreadsAdd)
def threads_add(world: World, bot: BotAccount, call: ThreadsAdd) -> Answer:
    chat = root_of(world, bot, call.chat_id)
    return {"threadId": world.thread_under(chat, chat.find(call.msg_id)).chat_id}


@serves(ThreadsAutosubscribe)
def threads_autosubscribe(world: World, bot: BotAccount, call: ThreadsAutosubscribe) -> Answer:
    chat = root_of(world, bot, call.chat_id)
    world.autosubscribe(chat, bot, enable=call.enable, with_existing=bool(call.with_existing))
    return {}


@serves(ThreadsGetSubscribers)
def threads_get_subscribers(world: World, bot: BotAccount, call: ThreadsGetSubscribers) -> Answer:
    try:
        thread = world.directory.group(call.thread_id)
    except Refusal:
        raise Refusal("Incorrect threadId") from None
    if thread.parent is None:
        raise Refusal("Incorrect threadId")
    if bot.user_id not in thread.members:
        raise Refusal("Permission denied")
    size = DEFAULT_PAGE_SIZE if call.page_size is None else call.page_size
    if size < 1:
        raise Refusal("Bad request")
    user_ids, next_cursor = page([*thread.subscribers], call.cursor, size)
    now = world.now()
    return {"subscribers": [{"sn": user_id, "userState": {"lastseen": now}} for user_id in user_ids], **next_cursor}
