"""What every object of the wire shares."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr
from pydantic.alias_generators import to_camel

from vkteams_bot.exceptions import InvalidCall

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class WireObject(BaseModel):
    """Frozen; camelCase on the wire, snake_case here; unknown fields are ignored, ids are text."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        coerce_numbers_to_str=True,
    )


class BoundObject(WireObject):
    """An object with shortcuts: it knows the bot that received it, through the validation context."""

    _bot: Any = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        if context is not None:
            self._bot = context.get("bot")

    @property
    def bot(self) -> Any:
        if self._bot is None:
            raise InvalidCall(f"this {type(self).__name__} was not received by a bot, so it has nobody to answer with")
        return self._bot
