"""What every send asks first: where to, and which messages it replies to or forwards."""

from __future__ import annotations

from collections.abc import Sequence

from vkteams_bot.api.methods import MsgId, SendFile, SendText, SendTextWithDeeplink, SendVoice
from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.endpoints.groups import root_of
from vkteams_bot.emulator.message import Part
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World

Sending = SendText | SendTextWithDeeplink | SendFile | SendVoice


def several(ids: MsgId | Sequence[MsgId] | None) -> list[MsgId]:
    """One id or many as a list."""
    if ids is None:
        return []
    return [ids] if isinstance(ids, str | int) else list(ids)


def destination(world: World, bot: BotAccount, call: Sending) -> Chat:
    """The chat that a send goes to, and counts for. Raises Refusal and RateLimited."""
    chat = world.directory.chat_for_bot(bot, call.chat_id)
    topic = call.parent_topic if world.behaviour.parent_topic_sends else None
    if topic is not None:
        root = root_of(world, bot, topic.chat_id)
        chat = world.thread_under(root, root.find(topic.message_id))
    closed = chat.type == "private" and not chat.opened and not world.behaviour.write_first
    if closed or not chat.may_post(bot.user_id):
        raise Refusal("Permission denied")
    world.rate_limits.charge(bot, chat, world.behaviour)
    return chat


def quotes(world: World, bot: BotAccount, chat: Chat, call: Sending) -> list[Part]:
    """Raises Refusal: no such message, reply and forward at once, half of a forward, a reply or forward of a thread."""
    replies, forwards = several(call.reply_msg_id), several(call.forward_msg_id)
    if (replies and forwards) or bool(forwards) != bool(call.forward_chat_id):
        raise Refusal("Bad request")
    if replies:
        if chat.parent is not None:
            raise Refusal("Bad request")
        return [{"type": "reply", "payload": {"message": chat.find(msg_id).quoted()}} for msg_id in replies]
    if forwards:
        source = world.directory.chat_for_bot(bot, str(call.forward_chat_id))
        if source.parent is not None:
            raise Refusal("Bad request")
        return [{"type": "forward", "payload": {"message": source.find(msg_id).quoted()}} for msg_id in forwards]
    return []
