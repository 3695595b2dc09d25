"""Whose rows they are: the identity of a bot, for which updates, states and calls are kept apart."""

from __future__ import annotations

from vkteams_bot.api import Bot
from vkteams_bot.api.types import BotInfo
from vkteams_bot.models import BotAccount


def open_account(alias: str, info: BotInfo) -> BotAccount:
    """The account of this identity. Another token under the same alias is another account, with its own offset."""
    profile = {"nick": (info.nick or "")[:255], "name": (info.first_name or "")[:255]}
    account, created = BotAccount.objects.get_or_create(alias=alias, user_id=info.user_id, defaults=profile)
    if not created:
        BotAccount.objects.filter(pk=account.pk).update(**profile)
    return account


def account_of(bot: Bot) -> int:
    """The account of the token that this bot has now; made when it has never run."""
    account_id = BotAccount.objects.id_for(bot.alias, bot.user_id)
    if account_id is not None:
        return account_id
    account, _ = BotAccount.objects.get_or_create(alias=bot.alias, user_id=bot.user_id)
    return account.pk
