"""Where `.delay()` writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone

from vkteams_bot import notify
from vkteams_bot.api import Bot, Method
from vkteams_bot.limits import Priority
from vkteams_bot.models import OutgoingCall
from vkteams_bot.stores import outbox
from vkteams_bot.stores.accounts import account_of
from vkteams_bot.stores.outbox import NewCall
from vkteams_bot.stores.payloads import stored
from vkteams_bot.stores.uuid7 import uuid7


class DatabaseOutbox:
    """Writes rows in the caller's transaction, and lets somebody deliver them when it is committed."""

    def put(
        self, bot: Bot, methods: Sequence[Method[Any]], *, due_at: datetime | None, priority: Priority
    ) -> list[UUID]:
        if not methods:
            return []
        now = timezone.now()
        calls = [
            NewCall(
                id=uuid7(),
                method=method.path,
                chat_id=method.chat or "",
                params=stored(method, bot.parse_mode),
                origin=OutgoingCall.Origin.DELAYED,
                priority=Priority(priority),
                due_at=due_at,
            )
            for method in methods
        ]
        with transaction.atomic():
            account_id = account_of(bot)
            outbox.insert(account_id, calls, now)
            if due_at is None or due_at <= now:  # what is due later is found by the sweep
                notify.deliver(account_id, bulk=priority == Priority.BULK)
        return [call.id for call in calls]

    async def aput(
        self, bot: Bot, methods: Sequence[Method[Any]], *, due_at: datetime | None, priority: Priority
    ) -> list[UUID]:
        return await sync_to_async(self.put)(bot, methods, due_at=due_at, priority=priority)
