"""Finds what a lost wake-up or a dead worker left behind."""

from __future__ import annotations

import logging

from django.utils import timezone

from vkteams_bot import notify
from vkteams_bot.broadcasts.settling import settle
from vkteams_bot.conf import conf
from vkteams_bot.models import BotAccount
from vkteams_bot.stores import queue
from vkteams_bot.worker.delivery import is_served

logger = logging.getLogger("vkteams_bot.worker")


def sweep() -> None:
    """Give up claims of dead workers, bring broadcasts up to date, wake workers for what is due.

    Run it every few seconds; a few index probes per bot. Two at once do no harm.
    """
    now = timezone.now()
    again, unknown = queue.release_abandoned(now, resend=conf.on_unknown == "resend")
    if again or unknown:
        logger.warning("a worker died: %d calls are unknown, %d wait again", unknown, again)
    due = queue.due_accounts(now)
    bulk = {account.id for account in due if account.bulk} | settle(None, now)
    replies = {account.id for account in due if account.replies}
    accounts = BotAccount.objects.filter(pk__in=bulk | replies).values_list("pk", "alias") if bulk or replies else ()
    for account_id, alias in accounts:
        if not is_served(account_id, alias):
            continue
        if account_id in replies:
            notify.delivery(account_id, bulk=False)()
        if account_id in bulk:
            notify.delivery(account_id, bulk=True)()
