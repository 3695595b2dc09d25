"""alias -> configured bot, as `caches` and `connections` do it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from django.utils.connection import ConnectionProxy

from vkteams_bot.api import Bot
from vkteams_bot.api.bot import SentHook
from vkteams_bot.api.delayed import Outbox
from vkteams_bot.conf import BotConfig, conf
from vkteams_bot.shared_limits import shared_limiter

DEFAULT_ALIAS = "default"


class Bots:
    """`bots["alias"]` is one Bot per process; changed settings give a new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, tuple[BotConfig, Bot]] = {}
        self._overrides: dict[str, dict[str, Any]] = {}
        self._sent_hook: SentHook | None = None
        self._outbox: Outbox | None = None

    def __getitem__(self, alias: str) -> Bot:
        """Raises ConfigurationError for an alias that the settings do not have."""
        config = conf.bot(alias)
        overrides = self._overrides.get(alias, {})
        if overrides:
            config = replace(config, **{name: overrides[name] for name in overrides.keys() & _FIELDS})
        with self._lock:
            made = self._made.get(alias)
            if made is None or made[0] != config:
                more = {name: overrides[name] for name in overrides.keys() - _FIELDS}
                if not overrides:  # a bot that this process points elsewhere shares its limit with nobody
                    more["limiter"] = shared_limiter(alias, config)
                made = (config, Bot(alias=alias, **{name: getattr(config, name) for name in _FIELDS}, **more))
                made[1].sent_hook = self._sent_hook
                made[1].outbox = self._outbox
                self._made[alias] = made
        return made[1]

    def __iter__(self) -> Iterator[str]:
        return iter(conf.aliases)

    def override(self, alias: str, **arguments: Any) -> None:
        """From now on this process uses other arguments of Bot: the playground points bots at the emulator."""
        with self._lock:
            self._overrides[alias] = arguments
            self._made.pop(alias, None)

    def restore(self, alias: str) -> None:
        """End an override."""
        with self._lock:
            self._overrides.pop(alias, None)
            self._made.pop(alias, None)

    def log_sent(self, hook: SentHook) -> None:
        """Tell `hook` of every message that a bot of this process sends."""
        self._sent_hook = hook
        for _, bot in self._made.values():
            bot.sent_hook = hook

    def delay_into(self, outbox: Outbox) -> None:
        """Let `.delay()` write there."""
        self._outbox = outbox
        for _, bot in self._made.values():
            bot.outbox = outbox


_FIELDS = BotConfig.__dataclass_fields__.keys()

bots = Bots()
bot: Bot = cast("Bot", ConnectionProxy(cast("Any", bots), DEFAULT_ALIAS))
"""The default bot, as `cache` is `caches["default"]`."""
