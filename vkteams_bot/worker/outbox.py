"""Where `.delay()` writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.utils import timezone

from vkteams_bot import notify
from vkteams_bot.api import Bot, Method
from vkteams_bot.limits import Priority
from vkteams_bot.stores import queue


class DatabaseOutbox:
    """Writes rows in the caller's transaction, and wakes a worker when it is committed."""

    def put(
        self, bot: Bot, methods: Sequence[Method[Any]], *, due_at: datetime | None, priority: Priority
    ) -> list[UUID]:
        if not methods:
            return []
        now = timezone.now()
        account_id = queue.account_of(bot.alias, bot.user_id)
        ids = queue.insert(
            account_id, methods, parse_mode=bot.parse_mode, due_at=due_at, priority=Priority(priority), now=now
        )
        if due_at is None or due_at <= now:  # what is due later is found by the sweep
            notify.deliver(account_id, bulk=priority == Priority.BULK)
        return ids

    async def aput(
        self, bot: Bot, methods: Sequence[Method[Any]], *, due_at: datetime | None, priority: Priority
    ) -> list[UUID]:
        return await sync_to_async(self.put)(bot, methods, due_at=due_at, priority=priority)
