"""Threads, and answering in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import Any, Unpack

from pydantic import Field

from vkteams_bot.api.types.base import BoundObject, WireObject
from vkteams_bot.api.types.members import Cursor
from vkteams_bot.api.types.results import SentMessage
from vkteams_bot.api.types.shortcuts import Sendable, SendOptions
from vkteams_bot.exceptions import BadRequest
from vkteams_bot.text import Node


class Thread(BoundObject):
    """Answer of `threads/add`. Its id is a chat id like any other."""

    thread_id: str

    def answer(self, text: str | Node, **options: Unpack[SendOptions]) -> Sendable[SentMessage]:
        result: Sendable[SentMessage] = self.bot.send_text(self.thread_id, text, **options)
        return result


class SubscriberState(WireObject):
    """`last_seen` is in unix seconds."""

    last_seen: int | None = Field(default=None, alias="lastseen")


class ThreadSubscriber(WireObject):
    user_id: str = Field(alias="sn")
    user_state: SubscriberState | None = None


class ThreadSubscribers(WireObject):
    """One page of `threads/subscribers/get`. `cursor` is None on the last."""

    subscribers: tuple[ThreadSubscriber, ...]
    cursor: Cursor = None


class ThreadAnswer:
    """An answer in a thread: await it or `.send()` it.

    It is up to two requests, and the second needs what the first gave: so a handler cannot return it as a reply. When
    the second fails, the thread stays, without the answer.
    """

    def __init__(self, bot: Any, add: Sendable[Thread] | None, answer: Any, *, fall_back: bool) -> None:
        """`answer` is the call to the chat itself: what is done without `add`, or if `fall_back` when it is refused."""
        self._bot = bot
        self._add = add
        self._method = answer.take()
        self._fall_back = fall_back

    def __await__(self) -> Generator[Any, Any, SentMessage]:
        return self._awaited().__await__()

    async def _awaited(self) -> SentMessage:
        method = self._method
        if self._add is not None:
            try:
                method = dataclasses.replace(method, chat_id=(await self._add).thread_id)
            except BadRequest:
                if not self._fall_back:
                    raise
        sent: SentMessage = await self._bot.execute(method)
        return sent

    def send(self) -> SentMessage:
        """Send now and wait for the result. Raises CallError; RuntimeError inside a running event loop."""
        method = self._method
        if self._add is not None:
            try:
                method = dataclasses.replace(method, chat_id=self._add.send().thread_id)
            except BadRequest:
                if not self._fall_back:
                    raise
        sent: SentMessage = self._bot.execute_sync(method)
        return sent
