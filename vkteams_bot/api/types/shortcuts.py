"""What shortcuts take and return: they know the shape of a call, not the client that makes it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypedDict, TypeVar

from vkteams_bot.api.types.formatting import Format
from vkteams_bot.keyboards import InlineKeyboardBuilder, InlineKeyboardMarkup
from vkteams_bot.text.ranges import Ranges

R_co = TypeVar("R_co", covariant=True)


class Sendable(Protocol[R_co]):
    """What a bound method returns: await it, `.send()` it, or return it from a handler."""

    def __await__(self) -> Generator[Any, Any, R_co]: ...
    def send(self) -> R_co: ...


class TypingBlock(Protocol):
    """Shows "typing" from its beginning to its end."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class KeyboardOptions(TypedDict, total=False):
    """Options of every call that shows buttons."""

    inline_keyboard_markup: InlineKeyboardMarkup | InlineKeyboardBuilder | None


class TextOptions(KeyboardOptions, total=False):
    """Options of every call that carries text. Nodes take neither parse mode nor format: they have their styles."""

    parse_mode: str | None
    format: Format | Ranges | None


class QuoteOptions(TypedDict, total=False):
    """Options of every call that sends a message: what it quotes or forwards."""

    reply_msg_id: str | int | Sequence[str | int] | None
    forward_chat_id: str | None
    forward_msg_id: str | int | Sequence[str | int] | None


class SendOptions(TextOptions, QuoteOptions, total=False):
    """Options of a message with text or a caption."""


class VoiceOptions(KeyboardOptions, QuoteOptions, total=False):
    """Options of a voice message, which has no caption."""
