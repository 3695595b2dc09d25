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
    photo: str | None = None
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
        profile = {"type": "private", **self.reference(), **self.portrait()}
        del profile["userId"]
        return profile | ({"isBot": True} if self.is_bot else {"language": "en"})

    def portrait(self) -> dict[str, Any]:
        """What they tell of themselves; `photo` is an address."""
        about = {"about": self.about} if self.about else {}
        return about | ({"photo": [{"url": self.photo}]} if self.photo else {})


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
