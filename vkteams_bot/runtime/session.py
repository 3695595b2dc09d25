"""The parts of a bot that holds its lease, wired together. Who makes them runs them."""

from __future__ import annotations

from collections.abc import Callable

from vkteams_bot.api import Bot
from vkteams_bot.conf import conf
from vkteams_bot.fsm import Strategy
from vkteams_bot.routing import Dispatcher
from vkteams_bot.runtime.committer import Committer
from vkteams_bot.runtime.delivery import Delivery
from vkteams_bot.runtime.handler import UpdateHandler
from vkteams_bot.runtime.lanes import Lanes
from vkteams_bot.runtime.poller import Poller
from vkteams_bot.runtime.recovery import Recovery
from vkteams_bot.runtime.sweep import Sweep
from vkteams_bot.stores.bot_store import BotStore
from vkteams_bot.stores.threads import DatabaseThread, HandlerThreads

UPDATES_PER_SLOT = 10


class Parts:
    """`thread` is for ingest, `commit_thread` for commits. `on_failure` hears what ends a conversation's lane."""

    def __init__(
        self,
        bot: Bot,
        dispatcher: Dispatcher,
        store: BotStore,
        threads: HandlerThreads,
        thread: DatabaseThread,
        commit_thread: DatabaseThread,
        *,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        strategy = Strategy(conf.fsm_strategy)
        high_water = conf.concurrency * UPDATES_PER_SLOT
        self.committer = Committer(store, commit_thread)
        self.delivery = Delivery(bot, self.committer, resend_unknown=conf.on_unknown == "resend")
        self.lanes = Lanes(
            UpdateHandler(bot, dispatcher, self.committer, self.delivery, threads), on_failure=on_failure
        )
        self.poller = Poller(bot, store, thread, self.lanes, strategy=strategy, high_water=high_water)
        self.recovery = Recovery(
            bot, store, thread, self.lanes, self.delivery, strategy=strategy, high_water=high_water
        )
        self.sweep = Sweep(store, thread, self.recovery, self.delivery)
