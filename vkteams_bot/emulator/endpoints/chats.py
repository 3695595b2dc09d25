"""chats/*: the chats themselves."""

from __future__ import annotations

from vkteams_bot.api.methods import (
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
from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.endpoints.groups import group_of
from vkteams_bot.emulator.endpoints.register import Answer, serves
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World

ACTIONS = {"looking", "typing"}


@serves(CreateChat, private=True)
def create_chat(world: World, bot: BotAccount, call: CreateChat) -> Answer:
    """The answer has no place for people who could not be added."""
    if not call.name:
        raise Refusal("Missing required parameter 'name'")
    chat = world.create_chat(
        "channel" if call.default_role == "readonly" else "group",
        call.name,
        (),
        [bot.user_id],
        about=call.about,
        rules=call.rules,
        public=bool(call.public),
        join_moderation=bool(call.join_moderation),
    )
    world.invite(chat, call.members or (), bot.user)
    return {"sn": chat.chat_id}


@serves(GetChatInfo)
def get_chat_info(world: World, bot: BotAccount, call: GetChatInfo) -> Answer:
    target = world.directory.lookup(call.chat_id)
    if not isinstance(target, Chat):
        return target.profile()
    world.directory.chat_for_bot(bot, call.chat_id)
    if target.parent is not None:
        raise Refusal("Bad request")
    photo = {"photo": [{"url": world.file_url(target.photo)}]} if target.photo else {}
    return target.profile() | photo


@serves(SendActions)
def send_actions(world: World, bot: BotAccount, call: SendActions) -> Answer:
    chat = world.directory.chat_for_bot(bot, call.chat_id)
    actions = [call.actions] if isinstance(call.actions, str) else [*call.actions]
    actions = [action for action in actions if action]
    if not ACTIONS.issuperset(actions):
        raise Refusal("Bad request")
    world.act(chat, bot.user, actions)
    return {}


@serves(SetChatTitle)
def set_chat_title(world: World, bot: BotAccount, call: SetChatTitle) -> Answer:
    chat = group_of(world, bot, call.chat_id, admin=True)
    if not call.title:
        raise Refusal("Missing required parameter 'title'")
    world.describe(chat, bot.user, {"title": call.title}, title=call.title)
    return {}


@serves(SetChatAbout)
def set_chat_about(world: World, bot: BotAccount, call: SetChatAbout) -> Answer:
    chat = group_of(world, bot, call.chat_id, admin=True)
    world.describe(chat, bot.user, {"newAbout": call.about}, about=call.about)
    return {}


@serves(SetChatRules)
def set_chat_rules(world: World, bot: BotAccount, call: SetChatRules) -> Answer:
    chat = group_of(world, bot, call.chat_id, admin=True)
    world.describe(chat, bot.user, {"newRules": call.rules}, rules=call.rules)
    return {}


@serves(SetChatAvatar)
def set_chat_avatar(world: World, bot: BotAccount, call: SetChatAvatar) -> Answer:
    chat = group_of(world, bot, call.chat_id, admin=True)
    upload = call.upload
    if upload is None or not upload.content:
        raise Refusal("Invalid file")
    stored = world.files.add(upload.filename, upload.content)
    world.describe(chat, bot.user, {}, photo=stored.file_id)
    return {}


@serves(PinMessage)
def pin_message(world: World, bot: BotAccount, call: PinMessage) -> Answer:
    chat = group_of(world, bot, call.chat_id, admin=True)
    world.pin(chat, chat.find(call.msg_id), bot.user)
    return {}


@serves(UnpinMessage)
def unpin_message(world: World, bot: BotAccount, call: UnpinMessage) -> Answer:
    chat = group_of(world, bot, call.chat_id, admin=True)
    world.unpin(chat, chat.find(call.msg_id), bot.user)
    return {}
