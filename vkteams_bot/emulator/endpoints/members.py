"""chats/*: who is in a chat, who may come in, who may not."""

from __future__ import annotations

from collections.abc import Iterable

from vkteams_bot.api.methods import (
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
from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.endpoints.groups import group_of, page
from vkteams_bot.emulator.endpoints.register import Answer, serves
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World


@serves(GetChatAdmins)
def get_chat_admins(world: World, bot: BotAccount, call: GetChatAdmins) -> Answer:
    chat = group_of(world, bot, call.chat_id)
    admins = [user_id for user_id in chat.members if user_id in chat.admins]
    return {
        "admins": [
            {"userId": user_id, "creator": True} if user_id == chat.creator else {"userId": user_id}
            for user_id in admins
        ]
    }


@serves(GetChatMembers)
def get_chat_members(world: World, bot: BotAccount, call: GetChatMembers) -> Answer:
    chat = group_of(world, bot, call.chat_id)
    user_ids, next_cursor = page([*chat.members], call.cursor, world.behaviour.members_page_size)
    return {"members": [_member(chat, user_id) for user_id in user_ids], **next_cursor}


@serves(GetBlockedUsers)
def get_blocked_users(world: World, bot: BotAccount, call: GetBlockedUsers) -> Answer:
    return _users(group_of(world, bot, call.chat_id, admin=True).blocked)


@serves(GetPendingUsers)
def get_pending_users(world: World, bot: BotAccount, call: GetPendingUsers) -> Answer:
    return _users(group_of(world, bot, call.chat_id, admin=True).pending)


@serves(AddChatMembers, private=True)
def add_chat_members(world: World, bot: BotAccount, call: AddChatMembers) -> Answer:
    chat = group_of(world, bot, call.chat_id)
    failures = world.invite(chat, call.members, bot.user)
    return {"failures": failures} if failures else {}


@serves(DeleteChatMembers)
def delete_chat_members(world: World, bot: BotAccount, call: DeleteChatMembers) -> Answer:
    """Who is no member is passed over."""
    chat = group_of(world, bot, call.chat_id, admin=True)
    world.expel(chat, call.members, bot.user)
    return {}


@serves(BlockUser)
def block_user(world: World, bot: BotAccount, call: BlockUser) -> Answer:
    chat = group_of(world, bot, call.chat_id, admin=True)
    if call.user_id in (chat.creator, bot.user_id):
        raise Refusal("Permission denied")
    try:
        user = world.directory.face(call.user_id)
    except Refusal:
        raise Refusal("Bad request") from None
    world.block(chat, user)
    if call.del_last_messages:
        for message in [*chat.messages.values()]:
            if message.sender.user_id == user.user_id and not message.deleted:
                world.remove(chat, message)
    return {}


@serves(UnblockUser)
def unblock_user(world: World, bot: BotAccount, call: UnblockUser) -> Answer:
    """Twice is once."""
    group_of(world, bot, call.chat_id, admin=True).blocked.pop(call.user_id, None)
    return {}


@serves(ResolvePending)
def resolve_pending(world: World, bot: BotAccount, call: ResolvePending) -> Answer:
    chat = group_of(world, bot, call.chat_id, admin=True)
    waiting = [user_id for user_id in chat.pending if call.everyone or user_id == call.user_id]
    if not waiting:
        raise Refusal("User is not pending or nobody in pending list")
    world.resolve(chat, waiting, bot.user, approve=call.approve)
    return {}


def _member(chat: Chat, user_id: str) -> Answer:
    """`creator` or `admin` only where it is true."""
    if user_id == chat.creator:
        return {"userId": user_id, "creator": True}
    return {"userId": user_id, "admin": True} if user_id in chat.admins else {"userId": user_id}


def _users(user_ids: Iterable[str]) -> Answer:
    return {"users": [{"userId": user_id} for user_id in user_ids]}
