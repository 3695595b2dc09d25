"""The key of a conversation: the unit of order, of state and of failure. Built here and nowhere else."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from vkteams_bot.api.types import CallbackQuery, Chat, Message, Payload


@dataclass(frozen=True, slots=True)
class StateKey:
    """`bot` is the alias, never a token. Empty `chat_id` or `user_id`: the conversation spans all of them."""

    bot: str
    chat_id: str
    user_id: str


class Strategy(enum.StrEnum):
    """Who shares a conversation."""

    USER_IN_CHAT = "user_in_chat"
    CHAT = "chat"
    GLOBAL_USER = "global_user"
    USER_IN_THREAD = "user_in_thread"


def key_for(event_payload: Payload, bot_alias: str, strategy: Strategy) -> StateKey:
    """The conversation that an event belongs to. A thread belongs to its root chat, but for `user_in_thread`.

    An event without a person has the user "" and stays within its chat under every strategy.
    """
    chat = event_payload.chat
    if strategy == Strategy.USER_IN_CHAT:
        return StateKey(bot_alias, _root_chat_id(event_payload, chat), _user_id(event_payload, chat))
    if strategy == Strategy.CHAT:
        return StateKey(bot_alias, _root_chat_id(event_payload, chat), "")
    user_id = _user_id(event_payload, chat)
    if strategy == Strategy.USER_IN_THREAD or not user_id:
        return StateKey(bot_alias, chat.chat_id, user_id)
    return StateKey(bot_alias, "", user_id)


def _root_chat_id(payload: Payload, chat: Chat) -> str:
    message = payload.message if isinstance(payload, CallbackQuery) else payload
    if isinstance(message, Message) and message.parent_topic is not None:
        return message.parent_topic.chat_id
    return chat.chat_id


def _user_id(payload: Payload, chat: Chat) -> str:
    """In a private chat the peer, so that an event that names nobody still finds the conversation."""
    if chat.type == "private":
        return chat.chat_id
    for name in ("from_user", "added_by", "removed_by"):
        user = getattr(payload, name, None)
        if user is not None:
            user_id: str = user.user_id
            return user_id
    return ""
