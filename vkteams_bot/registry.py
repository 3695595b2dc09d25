"""alias -> configured bot, as `caches` and `connections` do it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from django.utils.connection import ConnectionProxy

from vkteams_bot.api import Bot
from vkteams_bot.api.bot import SentHook
from vkteams_bot.conf import BotConfig, conf

DEFAULT_ALIAS = "default"


class Bots:
    """`bots["alias"]` is one Bot per process; changed settings give a new one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, tuple[BotConfig, Bot]] = {}
        self._overrides: dict[str, dict[str, Any]] = {}
        self._sent_hook: SentHook | None = None

    def __getitem__(self, alias: str) -> Bot:
        """Raises ConfigurationError for an alias that the settings do not have."""
        config = conf.bot(alias)
        if alias in self._overrides:
            config = replace(config, **self._overrides[alias])
        with self._lock:
            made = self._made.get(alias)
            if made is None or made[0] != config:
                made = (config, Bot(alias=alias, **{name: getattr(config, name) for name in _FIELDS}))
                made[1].sent_hook = self._sent_hook
                self._made[alias] = made
        return made[1]

    def __iter__(self) -> Iterator[str]:
        return iter(conf.aliases)

    def override(self, alias: str, **config: Any) -> None:
        """From now on this process uses other values for a bot: the playground points bots at the emulator."""
        self._overrides[alias] = config

    def log_sent(self, hook: SentHook) -> None:
        """Tell `hook` of every message that a bot of this process sends."""
        self._sent_hook = hook
        for _, bot in self._made.values():
            bot.sent_hook = hook


_FIELDS = tuple(BotConfig.__dataclass_fields__)

bots = Bots()
bot: Bot = cast("Bot", ConnectionProxy(cast("Any", bots), DEFAULT_ALIAS))
"""The default bot, as `cache` is `caches["default"]`."""
