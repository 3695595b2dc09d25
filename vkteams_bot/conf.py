"""The only reader of `settings.VKTEAMS_BOT`. Every key, its type and its default stand here once.

Reads go through at call time, so `override_settings` just works.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.conf import settings as django_settings

from vkteams_bot.api import ParseMode
from vkteams_bot.api.http.tls import Verify
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.fsm import Strategy

SETTING = "VKTEAMS_BOT"
NUMBER = (int, float)
REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its default, the types it may have, and (for numbers) its least value."""

    default: Any
    types: tuple[type, ...]
    least: float | None = None
    choices: tuple[str, ...] = ()


BOT_KEYS: dict[str, Key] = {
    "TOKEN": Key(REQUIRED, (str,)),
    "API_URL": Key(REQUIRED, (str,)),
    "PARSE_MODE": Key(None, (str, type(None)), choices=tuple(ParseMode)),
    "TIMEOUT": Key(30, NUMBER, least=0.1),
    "POLL_TIME": Key(60, (int,), least=0),
    "RATE_LIMIT": Key(None, (*NUMBER, type(None)), least=0.001),
    "BURST": Key(5, (int,), least=1),
    "CHAT_RATE_LIMIT": Key(None, (*NUMBER, type(None)), least=0.001),
    "PROXY": Key(None, (str, type(None))),
    "VERIFY": Key(True, (bool, str, os.PathLike, ssl.SSLContext)),
    "RETRIES": Key(3, (int,), least=0),
    "MAX_RETRY_AFTER": Key(30, NUMBER, least=0),
}

KEYS: dict[str, Key] = {
    "BOTS": Key(REQUIRED, (dict,)),
    "HANDLERS_MODULE": Key("bot", (str,)),
    "FSM_STORAGE": Key("vkteams_bot.fsm.storages.OrmStorage", (str,)),
    "FSM_STRATEGY": Key("user_in_chat", (str,), choices=tuple(Strategy)),
    "FSM_TIMEOUT": Key(None, (*NUMBER, type(None)), least=0.001),
    "CONCURRENCY": Key(100, (int,), least=1),
    "STOP_TIMEOUT": Key(10, NUMBER, least=0),
    "HANDLER_TIMEOUT": Key(300, (*NUMBER, type(None)), least=0.001),
    "BLOCK_TIMEOUT": Key(60, NUMBER, least=1),
    "HANDLE_EDITED_AS_MESSAGE": Key(False, (bool,)),
    "RATE_LIMIT_CACHE": Key("default", (str,)),
    "REPLY_QUEUE": Key("vkteams.reply", (str,)),
    "BULK_QUEUE": Key("vkteams.bulk", (str,)),
    "DELIVERY": Key("auto", (str,), choices=("auto", "runbot", "workers")),
    "ON_UNKNOWN": Key("hold", (str,), choices=("hold", "resend")),
    "RETRY_ATTEMPTS": Key(5, (int,), least=1),
    "RETRY_SECONDS": Key(24 * 3600, NUMBER, least=0),
    "REPLY_RETRY_SECONDS": Key(3600, NUMBER, least=0),
    "LEASE_SECONDS": Key(8, NUMBER, least=0.5),
    "CLAIM_SECONDS": Key(30, NUMBER, least=0.5),
    "LOG_MESSAGES": Key(True, (bool,)),
    "KEEP_UPDATES_DAYS": Key(7, (*NUMBER, type(None)), least=0),
    "KEEP_MESSAGES_DAYS": Key(None, (*NUMBER, type(None)), least=0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BotConfig:
    """`VKTEAMS_BOT["BOTS"][alias]`, complete."""

    token: str
    api_url: str
    parse_mode: str | None
    timeout: float
    poll_time: int
    rate_limit: float | None
    burst: int
    chat_rate_limit: float | None
    proxy: str | None
    verify: Verify
    retries: int
    max_retry_after: float


class Configuration:
    """`conf.concurrency` reads `VKTEAMS_BOT["CONCURRENCY"]` now."""

    handlers_module: str
    fsm_storage: str
    fsm_strategy: str
    fsm_timeout: float | None
    concurrency: int
    stop_timeout: float
    handler_timeout: float | None
    block_timeout: float
    handle_edited_as_message: bool
    rate_limit_cache: str
    reply_queue: str
    bulk_queue: str
    delivery: str
    on_unknown: str
    retry_attempts: int
    retry_seconds: float
    reply_retry_seconds: float
    lease_seconds: float
    claim_seconds: float
    log_messages: bool
    keep_updates_days: float | None
    keep_messages_days: float | None

    def __init__(self) -> None:
        self._forced: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        key = KEYS.get(name.upper())
        if key is None or name != name.lower():
            raise AttributeError(name)
        return self._forced[name] if name in self._forced else _settings().get(name.upper(), key.default)

    def force(self, **values: Any) -> None:
        """From now on these hold in this process, whatever the settings say."""
        self._forced |= values

    @property
    def aliases(self) -> list[str]:
        bots = _settings().get("BOTS")
        return list(bots) if isinstance(bots, Mapping) else []

    def bot(self, alias: str) -> BotConfig:
        """Raises ConfigurationError for an alias or a key that is not there."""
        bots = _settings().get("BOTS") or {}
        if alias not in bots:
            known = ", ".join(sorted(bots)) or "none"
            raise ConfigurationError(f'{SETTING}["BOTS"] has no bot {alias!r} (there are: {known})')
        problems = list(_problems_of(bots[alias], BOT_KEYS, f'{SETTING}["BOTS"]["{alias}"]'))
        if problems:
            raise ConfigurationError("; ".join(f"{problem} {hint}" for problem, hint in problems))
        options = bots[alias]
        return BotConfig(**{name.lower(): options.get(name, key.default) for name, key in BOT_KEYS.items()})


def _settings() -> Mapping[str, Any]:
    values = getattr(django_settings, SETTING, None)
    return values if isinstance(values, Mapping) else {}


def problems() -> Iterator[tuple[str, str]]:
    """What is wrong with the settings: a sentence and a hint for each."""
    values = getattr(django_settings, SETTING, None)
    if values is None:
        yield (
            f"The setting {SETTING} is missing.",
            'Add VKTEAMS_BOT = {"BOTS": {"default": {"TOKEN": …, "API_URL": …}}}.',
        )
        return
    if not isinstance(values, Mapping):
        yield f"{SETTING} must be a dict, not {type(values).__name__}.", "See the settings table in the README."
        return
    yield from _problems_of(values, KEYS, SETTING)
    bots = values.get("BOTS")
    if isinstance(bots, Mapping):
        for alias, bot in bots.items():
            yield from _problems_of(bot, BOT_KEYS, f'{SETTING}["BOTS"]["{alias}"]')


def _problems_of(values: Any, keys: Mapping[str, Key], place: str) -> Iterator[tuple[str, str]]:
    if not isinstance(values, Mapping):
        yield f"{place} must be a dict, not {type(values).__name__}.", "See the settings table in the README."
        return
    for name in values:
        if name not in keys:
            close = get_close_matches(str(name), keys, n=1)
            yield f"{place} has an unknown key {name!r}.", f"Did you mean {close[0]!r}?" if close else "Remove it."
    for name, key in keys.items():
        if name not in values:
            if key.default is REQUIRED:
                yield f"{place} lacks {name!r}.", f"Add {name!r}."
            continue
        yield from _problems_of_value(values[name], key, f'{place}["{name}"]')


def _problems_of_value(value: Any, key: Key, place: str) -> Iterator[tuple[str, str]]:
    wrong_bool = isinstance(value, bool) and bool not in key.types
    if not isinstance(value, key.types) or wrong_bool:
        allowed = " or ".join("None" if kind is type(None) else kind.__name__ for kind in key.types)
        yield f"{place} must be {allowed}, not {type(value).__name__}.", "See the settings table in the README."
    elif key.choices and value is not None and value not in key.choices:
        yield f"{place} is {value!r}.", f"Use one of {', '.join(map(str, key.choices))}."
    elif key.least is not None and isinstance(value, NUMBER) and value < key.least:
        yield f"{place} is {value}, less than {key.least}.", f"Use {key.least} or more."
    elif key.default is REQUIRED and not value:
        yield f"{place} is empty.", "Give it a value; a token comes from Metabot's /newbot."


conf = Configuration()


_project_urlconf: str | None = None


def project_urlconf() -> str:
    """The project's ROOT_URLCONF, also after `put_urls_in_front`."""
    return _project_urlconf or django_settings.ROOT_URLCONF


def put_urls_in_front(urlconf: str) -> None:
    """Let this process resolve addresses by `urlconf`, which includes the project's own."""
    global _project_urlconf
    _project_urlconf = project_urlconf()
    django_settings.ROOT_URLCONF = urlconf


def is_debug() -> bool:
    return django_settings.DEBUG
