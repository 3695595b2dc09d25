"""What shortcuts take and return: they know the shape of a call, not the client that makes it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Protocol, TypedDict, TypeVar

from vkteams_bot.api.types.formatting import Format
from vkteams_bot.keyboards import InlineKeyboardBuilder, InlineKeyboardMarkup

R_co = TypeVar("R_co", covariant=True)


class Sendable(Protocol[R_co]):
    """What a bound method returns: await it, `.send()` it, or return it from a handler."""

    def __await__(self) -> Generator[Any, Any, R_co]: ...
    def send(self) -> R_co: ...


class TextOptions(TypedDict, total=False):
    """Options of every call that carries text."""

    inline_keyboard_markup: InlineKeyboardMarkup | InlineKeyboardBuilder | None
    parse_mode: str | None
    format: Format | None


class SendOptions(TextOptions, total=False):
    """Options of every call that sends a message."""

    reply_msg_id: str | int | Sequence[str | int] | None
    forward_chat_id: str | None
    forward_msg_id: str | int | Sequence[str | int] | None
