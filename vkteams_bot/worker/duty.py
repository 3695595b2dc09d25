"""Who delivers delayed calls and broadcasts: Celery workers while one lives, else whoever polls for the bot."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from vkteams_bot.conf import conf
from vkteams_bot.models import BotAccount, OutgoingCall
from vkteams_bot.worker.delivery import bot_of
from vkteams_bot.worker.heartbeats import some_worker_lives

OVERDUE_SECONDS = 15.0
MOST_COUNTED = 10_000


class DeliveredBy(enum.StrEnum):
    WORKERS = "workers"
    RUNBOT = "runbot"
    NOBODY = "nobody"


def is_runbots_duty() -> bool:
    """Whether polling processes deliver what is due: as DELIVERY says, or while no worker lives."""
    if conf.delivery == "auto":
        return not some_worker_lives()
    return bool(conf.delivery == "runbot")


@dataclass(frozen=True, slots=True)
class Duty:
    """Who delivers for a bot identity, how many calls are overdue, counted up to MOST_COUNTED, and since when."""

    account: BotAccount
    by: DeliveredBy
    has_bot: bool
    """The settings have this identity; else nobody may send its calls."""
    overdue: int = 0
    since: datetime | None = None

    @property
    def is_neglected(self) -> bool:
        """Something is due, and nobody delivers it."""
        return self.overdue > 0 and (self.by is DeliveredBy.NOBODY or not self.has_bot)

    def __str__(self) -> str:
        """A sentence in the current language."""
        if self.is_neglected and self.since is not None:
            since = timezone.localtime(self.since)
            today = since.date() == timezone.localdate()
            moment = formats.time_format(since, "H:i") if today else formats.date_format(since, "SHORT_DATETIME_FORMAT")
            if not self.has_bot:
                text = ngettext(
                    "%(count)d call waits since %(since)s: the settings do not have this bot (any more).",
                    "%(count)d calls wait since %(since)s: the settings do not have this bot (any more).",
                    self.overdue,
                )
            else:
                text = ngettext(
                    "%(count)d call is overdue since %(since)s: no worker, and no runbot for this bot.",
                    "%(count)d calls are overdue since %(since)s: no worker, and no runbot for this bot.",
                    self.overdue,
                )
            return text % {"count": self.overdue, "since": moment}
        if not self.has_bot:
            return _("Nobody: the settings do not have this bot (any more).")
        return {
            DeliveredBy.WORKERS: _("Celery workers deliver delayed calls and broadcasts."),
            DeliveredBy.RUNBOT: _("The process that polls delivers delayed calls and broadcasts."),
            DeliveredBy.NOBODY: _(
                "Nobody delivers delayed calls and broadcasts now: no worker, and no runbot for this bot."
            ),
        }[self.by]


def duty_of(account: BotAccount, now: datetime) -> Duty:
    """A few statements, each by an index."""
    has_bot = bot_of(account) is not None
    overdue, since = _overdue(account, now) if has_bot else _waiting(account)
    return Duty(account, _delivered_by(account), has_bot, overdue, since)


def duties(now: datetime) -> Iterator[Duty]:
    """Of every bot identity that this database knows."""
    for account in BotAccount.objects.order_by("alias", "pk"):
        yield duty_of(account, now)


def _delivered_by(account: BotAccount) -> DeliveredBy:
    if conf.delivery != "runbot" and some_worker_lives():
        return DeliveredBy.WORKERS
    if conf.delivery != "workers" and account.is_polled:
        return DeliveredBy.RUNBOT
    return DeliveredBy.NOBODY


def _waiting(account: BotAccount) -> tuple[int, datetime | None]:
    calls = OutgoingCall.objects.filter(account=account).waiting()
    return _counted(calls), calls.order_by("pk").values_list("created_at", flat=True).first()


def _overdue(account: BotAccount, now: datetime) -> tuple[int, datetime | None]:
    """Delayed calls, and what is left of running broadcasts."""
    moment = now - timedelta(seconds=OVERDUE_SECONDS)
    calls = OutgoingCall.objects.notifications(account.pk).waiting()
    at_once = calls.filter(origin=OutgoingCall.Origin.DELAYED, due_at=None, created_at__lte=moment)
    timed = calls.filter(origin=OutgoingCall.Origin.DELAYED, due_at__lte=moment)
    recipients = calls.filter(broadcast__in=account.broadcasts.running().filter(started_at__lte=moment))
    count = _counted(at_once) + _counted(timed) + _counted(recipients)
    if not count:
        return 0, None
    moments = (
        at_once.order_by("pk").values_list("created_at", flat=True).first(),
        timed.order_by("due_at").values_list("due_at", flat=True).first(),
        recipients.order_by("pk").values_list("broadcast__started_at", flat=True).first(),
    )
    return count, min(moment for moment in moments if moment is not None)


def _counted(calls: QuerySet[OutgoingCall]) -> int:
    return calls[:MOST_COUNTED].count()
