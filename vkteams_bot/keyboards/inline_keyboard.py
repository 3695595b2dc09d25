"""Inline keyboards as values: what `inlineKeyboardMarkup` carries (botapi.md §5)."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Self

from pydantic import BaseModel, ConfigDict, RootModel, model_validator
from pydantic.alias_generators import to_camel

ONE_ACTION = "a button takes exactly one of url and callback_data"


class ButtonStyle(enum.StrEnum):
    BASE = "base"
    PRIMARY = "primary"
    ATTENTION = "attention"


class Button(BaseModel):
    """One button. `style` is free text on the way in, since servers may know more styles than we do."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore", hide_input_in_errors=True
    )

    text: str
    callback_data: str | None = None
    url: str | None = None
    style: str | None = None

    @property
    def has_one_action(self) -> bool:
        return (self.url is None) != (self.callback_data is None)


class NewButton(Button):
    """A button that a bot sends: exactly one of `url` and `callback_data`."""

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        if not self.has_one_action:
            raise ValueError(ONE_ACTION)
        return self


class InlineKeyboardMarkup(RootModel[tuple[tuple[Button, ...], ...]]):
    """Rows of buttons."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    def __iter__(self) -> Iterator[tuple[Button, ...]]:  # type: ignore[override]
        return iter(self.root)

    def __len__(self) -> int:
        return len(self.root)

    @property
    def buttons(self) -> tuple[Button, ...]:
        return tuple(button for row in self.root for button in row)

    def wire(self) -> str:
        """The JSON text of the parameter."""
        return self.model_dump_json(by_alias=True, exclude_none=True)
