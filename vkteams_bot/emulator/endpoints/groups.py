"""What every method for groups and channels asks first, and the paging of long answers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TypeVar

from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World

T = TypeVar("T")


def group_of(world: World, bot: BotAccount, chat_id: str, *, admin: bool = False) -> Chat:
    """The group or channel of which the bot is a member, or an admin. Raises Refusal; also for a thread."""
    chat = world.directory.chat_for_bot(bot, chat_id)
    if chat.type == "private":
        raise Refusal("Invalid chatId")
    if chat.parent is not None or (admin and bot.user_id not in chat.admins):
        raise Refusal("Permission denied")
    return chat


def root_of(world: World, bot: BotAccount, chat_id: str) -> Chat:
    """A group or channel that may have threads. Raises Refusal."""
    chat = world.directory.chat_for_bot(bot, chat_id)
    if chat.type == "private":
        raise Refusal("Invalid chatId")
    if chat.parent is not None:
        raise Refusal("Bad request")
    return chat


def page(items: Sequence[T], cursor: str | None, size: int) -> tuple[Sequence[T], dict[str, str]]:
    """The items after the cursor, and what the answer says of the next cursor. Raises Refusal for a strange one."""
    start = max(0, _position(cursor)) if cursor is not None else 0
    end = start + size
    return items[start:end], {"cursor": base64.b64encode(b"%d" % end).decode()} if end < len(items) else {}


def _position(cursor: str) -> int:
    try:
        return int(base64.b64decode(cursor, validate=True).decode("ascii"))
    except ValueError:
        raise Refusal("Bad request") from None
