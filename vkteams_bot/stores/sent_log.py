"""Logging what the bot sent, wherever it was sent from."""

from __future__ import annotations

import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.db import Error
from django.utils import timezone

from vkteams_bot.api import Bot, Method
from vkteams_bot.conf import conf
from vkteams_bot.stores import log
from vkteams_bot.stores.accounts import account_of
from vkteams_bot.stores.chat_directory import ChatDirectory

logger = logging.getLogger("vkteams_bot")


class DirectSentLog:
    """For views, tasks and shells: writes at once. A failure is logged and never fails the send, which is done."""

    def sent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        if not conf.log_messages:
            return
        now = timezone.now()
        try:
            log.write(log.outgoing(method, result, now), ChatDirectory(account_of(bot)), now)
        except Error:
            logger.exception("a message was sent but could not be logged")

    async def asent(self, bot: Bot, method: Method[Any], result: Any) -> None:
        await sync_to_async(self.sent)(bot, method, result)
