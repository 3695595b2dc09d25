"""Why a bot that polls does not answer as it should: known states, told once by the process and readable without it.

A polling process notes each state when it begins and when it ends (`Conditions`): a line of the log, with `condition`
as its stable key, and, together with the lease, a row that `botdoctor` and the admin read (`report_of`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from vkteams_bot.models import BotAccount

logger = logging.getLogger("vkteams_bot.runtime")

CONDITIONS: Mapping[str, str] = {
    "poll_failed": gettext_noop("polls fail: %(error)s"),
    "store_failed": gettext_noop("events cannot be stored: %(error)s"),
    "loop_blocked": gettext_noop("nobody is served: the event loop is blocked by %(handler)s"),
    "slots_full": gettext_noop("conversations wait: all %(count)d slots (CONCURRENCY) are taken by %(handlers)s"),
    "threads_full": gettext_noop("handlers wait: all %(count)d threads are taken by %(handlers)s"),
    "handler_slow": gettext_noop("handlers take long: %(handlers)s"),
    "lanes_full": gettext_noop("polling pauses: %(count)d updates wait to be handled"),
    "conversation_behind": gettext_noop("%(count)d conversations have more updates than they get done: %(chats)s"),
    "suspects_alone": gettext_noop("%(count)d updates were running in crashes; each runs alone, the others wait"),
    "connection_refused": gettext_noop("%(count)d handlers wait for a database connection: %(error)s"),
    "replies_repeated": gettext_noop("%(count)d replies wait to be tried again: %(error)s"),
    "rate_limited": gettext_noop("%(count)d replies wait for their turn under RATE_LIMIT"),
}
"""The state's key, and what is told of it."""

REPEAT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Condition:
    """A state that lasts since `since`. As a text it is a sentence in the current language."""

    key: str
    since: datetime
    values: Mapping[str, Any]

    def __str__(self) -> str:
        return gettext(CONDITIONS[self.key]) % self.values


@dataclass(frozen=True, slots=True)
class BusyHandler:
    """A handler that has been running for long: for which update, of which chat, since when."""

    handler: str
    update: int
    chat_id: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What the process that polls for a bot told last."""

    conditions: tuple[Condition, ...] = ()
    busy: tuple[BusyHandler, ...] = ()


def report_of(account: BotAccount) -> Report:
    """What the process that holds the lease told last; nothing of one that is gone."""
    if not account.is_polled or not account.report:
        return Report()
    conditions = (
        Condition(item["key"], datetime.fromisoformat(item["since"]), item["values"])
        for item in account.report["conditions"]
        if item["key"] in CONDITIONS  # a newer version may run
    )
    busy = (
        BusyHandler(item["handler"], item["update"], item["chat_id"], datetime.fromisoformat(item["since"]))
        for item in account.report["busy"]
    )
    return Report(tuple(conditions), tuple(busy))


@dataclass(slots=True)
class _Lasting:
    began: float
    told: float
    values: Mapping[str, Any]


class Conditions:
    """The states of one bot now. Any thread may note them; `busy` says which handlers have been running for long."""

    def __init__(self, alias: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._extra = {"bot": alias}
        self._alias = alias
        self._clock = clock
        self._lock = threading.Lock()
        self._lasting: dict[str, _Lasting] = {}
        self.busy: Callable[[], list[tuple[str, int, str, float]]] = list
        """Handler, update, chat, and since when by the clock."""

    def begin(self, key: str, **values: Any) -> None:
        """This state lasts now. Told when it begins, and once a minute while it lasts."""
        now = self._clock()
        with self._lock:
            lasting = self._lasting.get(key)
            if lasting is None:
                self._lasting[key] = _Lasting(now, now, values)
            else:
                lasting.values = values
                if now - lasting.told < REPEAT_SECONDS:
                    return
                lasting.told = now
        logger.warning(
            "bot %s: %s: %s", self._alias, key, CONDITIONS[key] % values, extra=self._extra | {"condition": key}
        )

    def end(self, key: str) -> None:
        """This state does not last (any more)."""
        if key not in self._lasting:
            return
        with self._lock:
            lasting = self._lasting.pop(key, None)
        if lasting is not None:
            logger.info(
                "bot %s: %s is over after %.0f s",
                self._alias,
                key,
                self._clock() - lasting.began,
                extra=self._extra | {"condition": key},
            )

    def note(self, key: str, lasts: bool, **values: Any) -> None:
        """`begin` or `end`."""
        if lasts:
            self.begin(key, **values)
        else:
            self.end(key)

    def report(self) -> dict[str, Any]:
        """As `BotAccount.report` holds it."""
        now, moment = self._clock(), timezone.now()

        def since(began: float) -> str:
            return (moment - timedelta(seconds=now - began)).astimezone(UTC).isoformat(timespec="seconds")

        with self._lock:
            lasting = dict(self._lasting)
        return {
            "conditions": [
                {"key": key, "since": since(state.began), "values": dict(state.values)}
                for key, state in lasting.items()
            ],
            "busy": [
                {"handler": handler, "update": update, "chat_id": chat_id, "since": since(began)}
                for handler, update, chat_id, began in self.busy()
            ],
        }
