"""Keeps "typing" on people's screens while a bot works."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self, TypeVar

from vkteams_bot.api.methods import Method, SendActions
from vkteams_bot.exceptions import VKTeamsError

R = TypeVar("R")
logger = logging.getLogger("vkteams_bot.api")

INTERVAL = 8.0
"""Seconds between two actions: clients show one for about ten (botapi.md §1.7)."""


class ActionSender(Protocol):
    """What sends actions: a bot."""

    async def execute(self, method: Method[R], *, retries: int | None = None) -> R: ...
    def execute_sync(self, method: Method[R], *, retries: int | None = None) -> R: ...


_tasks: dict[asyncio.Task[None], ActionSender] = {}


async def end_typing(bot: ActionSender, seconds: float = 1.0) -> None:
    """Let what this bot shows in this loop come to its end, but no longer than that."""
    loop = asyncio.get_running_loop()
    tasks = [task for task, sender in list(_tasks.items()) if sender is bot and task.get_loop() is loop]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class Typing:
    """`async with`, or `with` in synchronous code: the chat shows "typing" until the block ends.

    The block never waits for it: actions are sent beside it, and one that fails is only logged.
    """

    def __init__(self, bot: ActionSender, chat_id: str, interval: float = INTERVAL) -> None:
        self._bot = bot
        self._interval = interval
        self._typing = SendActions(chat_id, "typing")
        self._finished = SendActions(chat_id)
        self._ended: asyncio.Event | None = None
        self._ended_sync: threading.Event | None = None

    async def __aenter__(self) -> Self:
        self._ended = asyncio.Event()
        task = asyncio.create_task(self._keep(self._ended), name=f"typing in {self._typing.chat_id}")
        _tasks[task] = self._bot
        task.add_done_callback(_tasks.pop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ended is not None
        self._ended.set()

    def __enter__(self) -> Self:
        self._ended_sync = threading.Event()
        name = f"typing in {self._typing.chat_id}"
        threading.Thread(target=self._keep_sync, args=(self._ended_sync,), name=name, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ended_sync is not None
        self._ended_sync.set()

    async def _keep(self, ended: asyncio.Event) -> None:
        if ended.is_set():
            return
        while not ended.is_set():
            await self._send(self._typing)
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), self._interval)
        await self._send(self._finished)

    def _keep_sync(self, ended: threading.Event) -> None:
        if ended.is_set():
            return
        while not ended.is_set():
            self._send_sync(self._typing)
            ended.wait(self._interval)
        self._send_sync(self._finished)

    async def _send(self, action: SendActions) -> None:
        try:
            await self._bot.execute(action, retries=0)
        except VKTeamsError as error:
            logger.debug("%s", error)

    def _send_sync(self, action: SendActions) -> None:
        try:
            self._bot.execute_sync(action, retries=0)
        except VKTeamsError as error:
            logger.debug("%s", error)
