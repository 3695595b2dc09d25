"""Who is in a chat, as answers name them: by ids only."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field

from vkteams_bot.api.types.base import WireObject
from vkteams_bot.api.types.shortcuts import Sendable

logger = logging.getLogger("vkteams_bot.api")

# Opaque; a number or a text. An empty one is none.
Cursor = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]


class CreatedChat(WireObject):
    """Answer of `chats/createChat`."""

    chat_id: str = Field(alias="sn")


class ChatAdmin(WireObject):
    user_id: str
    creator: bool = False


class ChatAdmins(WireObject):
    """Answer of `chats/getAdmins`."""

    admins: tuple[ChatAdmin, ...]


class ChatMember(WireObject):
    """The creator has not `admin`, though they may do all that admins may: see `is_admin`."""

    user_id: str
    creator: bool = False
    admin: bool = False

    @property
    def is_admin(self) -> bool:
        return self.admin or self.creator


class ChatMembers(WireObject):
    """One page of `chats/getMembers`. `cursor` is None on the last."""

    members: tuple[ChatMember, ...]
    cursor: Cursor = None


class ChatUser(WireObject):
    user_id: str


class ChatUsers(WireObject):
    """Answer of `chats/getBlockedUsers` and `chats/getPendingUsers`."""

    users: tuple[ChatUser, ...]


class MemberFailure(WireObject):
    """`error` is e.g. `user_already_added`, `user_must_join_by_link`, `user_waiting_for_approve`."""

    user_id: str = Field(alias="id")
    error: str = ""


class AddedMembers(WireObject):
    """Answer of `chats/members/add`: all were added but those in `failures`."""

    failures: Annotated[tuple[MemberFailure, ...], BeforeValidator(lambda value: value or ())] = ()


class MemberWalk:
    """Every member, page after page, each page asked for when it is needed.

    `async for` in async code, `for` in synchronous code. Raises what a call raises.
    """

    def __init__(self, page: Callable[[str | None], Sendable[ChatMembers]]) -> None:
        self._page = page

    async def __aiter__(self) -> AsyncIterator[ChatMember]:
        seen: set[str | None] = {None}
        cursor: str | None = None
        while True:
            page = await self._page(cursor)
            for member in page.members:
                yield member
            cursor = page.cursor
            if not _is_new(cursor, seen):
                return

    def __iter__(self) -> Iterator[ChatMember]:
        seen: set[str | None] = {None}
        cursor: str | None = None
        while True:
            page = self._page(cursor).send()
            yield from page.members
            cursor = page.cursor
            if not _is_new(cursor, seen):
                return


def _is_new(cursor: str | None, seen: set[str | None]) -> bool:
    """Whether to go on. A cursor that came before would lead around in a circle."""
    if cursor is not None and cursor in seen:
        logger.warning("chats/getMembers gave the same cursor twice: the members end here")
    if cursor in seen:
        return False
    seen.add(cursor)
    return True
