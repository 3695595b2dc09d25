"""A recorded conversation as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Verb = Literal["sends", "edits", "deletes", "clicks"]
Attachment = Literal["file", "voice", "sticker"]


@dataclass(frozen=True, slots=True)
class Act:
    """`text` is what was written, or the label of the button. `about` is the message that the act made or changed.

    `unknown`: why it cannot be repeated faithfully.
    """

    person: str
    verb: Verb
    text: str
    about: str = ""
    attachment: Attachment | None = None
    name: str = ""
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """`text` as people see it; None when it was edited later, so that nobody knows what it said at first."""

    text: str | None
    buttons: tuple[str, ...] = ()


@dataclass(slots=True)
class Exchange:
    """An act and what the bot wrote until the next."""

    act: Act
    replies: list[Reply] = field(default_factory=list)


@dataclass(slots=True)
class Conversation:
    alias: str
    chat_id: str
    is_private: bool
    title: str
    people: dict[str, tuple[str, str]] = field(default_factory=dict)
    """User id -> first and last name."""

    exchanges: list[Exchange] = field(default_factory=list)
