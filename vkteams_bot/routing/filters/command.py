"""Command: messages that begin with a command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vkteams_bot.api.types import Message
from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing.filters.base import BaseFilter
from vkteams_bot.routing.run import RUN, EventData, Run


@dataclass(frozen=True, slots=True)
class CommandObject:
    """A command as written: `/start@bot now` is prefix "/", command "start", mention "bot", args "now".

    `args` is "" and `mention` None when there are none. `match` stands when a pattern matched the command.
    """

    prefix: str
    command: str
    args: str
    raw_text: str
    match: re.Match[str] | None = None
    mention: str | None = None


@dataclass(slots=True)
class _Words:
    """The command line of a message: its first word without the mention, and the rest."""

    head: str
    folded: str
    mention: str | None
    args: str
    raw_text: str


class Command(BaseFilter):
    """The first word is one of these commands after one of the prefixes; no names: any command.

    A pattern must match from the start of the command. `/start@nick` counts when `nick` is the bot's, or when the
    bot's nick is not known. Case counts unless `ignore_case`; a pattern brings its own flags.
    """

    provides = ("command",)

    def __init__(
        self,
        *names: str | re.Pattern[str],
        prefix: str | Sequence[str] = "/",
        ignore_case: bool = False,
    ) -> None:
        # The longest first: an empty prefix fits everything.
        self.prefixes = sorted({prefix} if isinstance(prefix, str) else set(prefix), key=len, reverse=True)
        if not self.prefixes:
            raise ConfigurationError("Command needs a prefix; the empty one is prefix=''")
        self.ignore_case = ignore_case
        self.names = tuple(name for name in names if isinstance(name, str))
        self.patterns = [name for name in names if isinstance(name, re.Pattern)]
        self._any = not names
        self._only_names = bool(names) and not self.patterns
        self._heads: dict[str, str] = {}
        for name in self.names:
            self._add(name)

    def __call__(self, event: Any, event_data: EventData | None = None) -> bool | dict[str, Any]:
        # The words are parsed once for all Command filters that look at the event.
        run: Run | None = event_data.get(RUN) if event_data is not None else None
        words = run.words if run is not None and run.words_event is event else _parsed(event, run)
        if words is None:
            return False
        prefix = self._heads.get(words.folded if self.ignore_case else words.head)
        if prefix is None and self._only_names:
            return False
        return self._command(words, prefix, event_data)

    def _add(self, name: str) -> None:
        if not name or "@" in name or len(name.split()) != 1 or name != name.strip():
            raise ConfigurationError(f"{name!r} cannot be a command: it is one word without @")
        for prefix in self.prefixes:
            if prefix and name.startswith(prefix):
                raise ConfigurationError(f"Command({name!r}): leave out the prefix: Command({name[len(prefix) :]!r})")
            head = prefix + name
            self._heads.setdefault(head.casefold() if self.ignore_case else head, prefix)

    def _command(self, words: _Words, prefix: str | None, data: EventData | None) -> bool | dict[str, Any]:
        match = None
        if prefix is None:
            prefix, match = self._fitting(words.head)
            if prefix is None:
                return False
        if words.mention is not None:
            nick = getattr(data.get("bot"), "nick", None) if data is not None else None
            if nick and words.mention.casefold() != nick.removeprefix("@").casefold():
                return False
        name = words.head[len(prefix) :]
        return {"command": CommandObject(prefix, name, words.args, words.raw_text, match, words.mention)}

    def _fitting(self, head: str) -> tuple[str | None, re.Match[str] | None]:
        for prefix in self.prefixes:
            name = head[len(prefix) :] if head.startswith(prefix) else ""
            if name and self._any:
                return prefix, None
            for pattern in self.patterns if name else ():
                match = pattern.match(name)
                if match is not None:
                    return prefix, match
        return None, None


def _parsed(event: Any, run: Run | None) -> _Words | None:
    words = None
    if isinstance(event, Message):
        text = (event.content if event.parts else event.text) or ""
        first, *rest = text.split(None, 1) or ("",)
        if first:
            head, _, mention = first.partition("@")
            if not head or not mention:
                head, mention = first, ""
            words = _Words(head, head.casefold(), mention or None, rest[0].rstrip() if rest else "", text)
    if run is not None:
        run.words_event, run.words = event, words
    return words
