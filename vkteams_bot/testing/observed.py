"""Parts of the bot that tell the test kit what went wrong, and where they log."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db import connection

from vkteams_bot.api import Bot, Method
from vkteams_bot.api.types import Event
from vkteams_bot.fsm import FSMContext
from vkteams_bot.models import OutgoingCall, Update
from vkteams_bot.routing import Dispatched, Dispatcher, Status
from vkteams_bot.routing.run import Run
from vkteams_bot.runtime.bot_store import BotStore, Changes
from vkteams_bot.runtime.committer import CommittedSentLog
from vkteams_bot.stores.inbox import Finished
from vkteams_bot.stores.sent_log import DirectSentLog
from vkteams_bot.testing.home_thread import HomeThread

SOMETHING_WAITS = (
    f"SELECT 1 FROM {Update._meta.db_table} WHERE account_id = %s AND status = 'retry' "
    f"UNION ALL SELECT 1 FROM {OutgoingCall._meta.db_table} WHERE account_id = %s AND status = 'queued' LIMIT 1"
)


class ObservedDispatcher(Dispatcher):
    """Remembers the exceptions of handlers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.errors: dict[str | None, BaseException] = {}

    async def dispatch(self, event: Event, bot: Any, state: FSMContext, run: Run | None = None) -> Dispatched:
        try:
            result = await super().dispatch(event, bot, state, run)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # sys.exit() would end the loop, and the test would wait for it for ever
            state.rollback()
            result = Dispatched(Status.FAILED, error=error)
        if result.error is not None:
            self.errors[result.handler] = result.error
        return result


class ObservedStore(BotStore):
    """Remembers what failed for good."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.failed: list[Finished] = []
        self.refused: list[str] = []
        self.something_waits = False

    def has_work(self, known: Collection[UUID]) -> bool:
        """One cheap look first, since an exchange ends with this question."""
        with connection.cursor() as cursor:
            cursor.execute(SOMETHING_WAITS, [self.account_id, self.account_id])
            self.something_waits = cursor.fetchone() is not None
        return self.something_waits and super().has_work(known)

    def commit(self, changes: Changes) -> set[UUID]:
        claimed = super().commit(changes)
        self.failed += [item for item in changes.finished if item.status == Update.Status.FAILED]
        self.refused += [result.error for _, result in changes.recorded if result.status == OutgoingCall.Status.FAILED]
        return claimed


class KitSentLog:
    """What handlers send is logged with their commit; what the test or a view of it sends, at once."""

    def __init__(self, home: HomeThread, committed: CommittedSentLog) -> None:
        self._home = home
        self._committed = committed
        self._direct = DirectSentLog()

    def sent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        (self._committed if self._home.serving else self._direct).sent(bot, method, result)

    async def asent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        await (self._committed if self._home.serving else self._direct).asent(bot, method, result)
