"""User and BotAccount."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vkteams_bot.emulator.eventqueue import EventQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, or the face of a bot."""

    user_id: str
    first_name: str
    last_name: str | None = None
    nick: str | None = None
    about: str | None = None
    is_bot: bool = False

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.first_name, self.last_name) if part)

    def reference(self) -> dict[str, Any]:
        """How events name them; absent values are absent keys."""
        reference = {"userId": self.user_id, "firstName": self.first_name}
        if self.last_name:
            reference["lastName"] = self.last_name
        if self.nick:
            reference["nick"] = self.nick
        return reference

    def profile(self) -> dict[str, Any]:
        """The answer of chats/getInfo, without `ok`."""
        profile = {"type": "private", **self.reference()}
        del profile["userId"]
        if self.about:
            profile["about"] = self.about
        return profile | ({"isBot": True} if self.is_bot else {"language": "en"})


@dataclass(slots=True)
class BotAccount:
    """A bot: its token, its face, and the events that wait for it."""

    token: str
    user: User
    queue: EventQueue

    @property
    def user_id(self) -> str:
        return self.user.user_id

    @property
    def name(self) -> str:
        return self.user.name
