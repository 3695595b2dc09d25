"""What every object of the wire shares."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr
from pydantic.alias_generators import to_camel

from vkteams_bot.exceptions import InvalidCall


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
