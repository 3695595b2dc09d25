"""Finds what a lost message or a dead process left behind."""

from __future__ import annotations

import logging

from django.utils import timezone

from vkteams_bot import notify
from vkteams_bot.broadcasts.lifecycle import advance
from vkteams_bot.models import BotAccount
from vkteams_bot.stores import outbox
from vkteams_bot.stores.candidates import DueAccount, due_accounts
from vkteams_bot.stores.slow_calls import slow_calls
from vkteams_bot.worker.delivery import bot_of
from vkteams_bot.worker.results import retry_strategy

logger = logging.getLogger("vkteams_bot.worker")


def sweep(account_id: int | None = None) -> list[DueAccount]:
    """Take claims from dead processes, bring broadcasts up to date; the bots (or this one) for which something is due.

    Run it every few seconds; a few index probes per bot. Two at once do no harm.
    """
    recover_lost()
    return due_now(account_id)


def recover_lost() -> None:
    """Take claims from processes that are gone."""
    strategy = retry_strategy()
    with slow_calls.watched("recover_lost", logger):
        recovered = outbox.recover(resend=strategy.resend_unknown, attempts=strategy.attempts)
    if recovered.again or recovered.unknown:
        logger.warning(
            "a process died while it was sending: %d calls are unknown, %d wait again",
            recovered.unknown,
            recovered.again,
        )


def due_now(account_id: int | None = None, *, broadcasts: bool = True) -> list[DueAccount]:
    """Bring broadcasts up to date; the bots (or this one) for which something is due.

    Two statements when nothing is, one without `broadcasts`.
    """
    now = timezone.now()
    with slow_calls.watched("due_now", logger):
        due = {account.id: account for account in due_accounts(now) if account_id in (None, account.id)}
        for key in advance(account_id, now) if broadcasts else ():
            due[key] = DueAccount(key, key in due and due[key].replies, bulk=True)
    return list(due.values())


def notify_of(due: list[DueAccount]) -> None:
    """Let workers deliver what is due for the bots that the settings have."""
    accounts = {account.pk: account for account in BotAccount.objects.filter(pk__in=[item.id for item in due])}
    for item in due:
        if item.id not in accounts or bot_of(accounts[item.id]) is None:
            continue
        if item.replies:
            notify.delivery(item.id, bulk=False)()
        if item.bulk:
            notify.delivery(item.id, bulk=True)()
