"""A recorded conversation as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Verb = Literal["sends", "edits", "deletes", "clicks"]
Attachment = Literal["file", "voice", "sticker"]


@dataclass(frozen=True, slots=True)
class Act:
    """What a person did. `text` was written, or is the label of the button; `about` is the message made or changed.

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
    """What the bot wrote, as people see it; None for a text that was edited later, so that nobody knows the first."""

    text: str | None
    buttons: tuple[str, ...] = ()


@dataclass(slots=True)
class Exchange:
    """An act and what the bot wrote until the next."""

    act: Act
    replies: list[Reply] = field(default_factory=list)


@dataclass(slots=True)
class Conversation:
    """What was said in one chat of a bot."""

    alias: str
    chat_id: str
    is_private: bool
    title: str
    people: dict[str, tuple[str, str]] = field(default_factory=dict)
    """First and last name by user id."""

    exchanges: list[Exchange] = field(default_factory=list)
