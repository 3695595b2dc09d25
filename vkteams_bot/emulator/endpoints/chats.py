"""chats/*"""

from __future__ import annotations

from vkteams_bot.api.methods import GetChatInfo, SendActions
from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.endpoints.registry import Answer, serves
from vkteams_bot.emulator.people import BotAccount
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.world import World

ACTIONS = {"looking", "typing"}


@serves(GetChatInfo)
def get_chat_info(world: World, bot: BotAccount, call: GetChatInfo) -> Answer:
    target = world.directory.lookup(call.chat_id)
    if isinstance(target, Chat):
        world.directory.chat_for_bot(bot, call.chat_id)
        if target.parent is not None:
            raise Refusal("Bad request")
    return target.profile()


@serves(SendActions)
def send_actions(world: World, bot: BotAccount, call: SendActions) -> Answer:
    chat = world.directory.chat_for_bot(bot, call.chat_id)
    actions = [call.actions] if isinstance(call.actions, str) else [*call.actions]
    actions = [action for action in actions if action]
    if not ACTIONS.issuperset(actions):
        raise Refusal("Bad request")
    world.act(chat, bot.user, actions)
    return {}
