"""A method is a value: it knows its path, its parameters and its result, and nothing of how it is sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar, dataclass_transform

import pydantic
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as pydantic_dataclass

from vkteams_bot.api.files import InputFile
from vkteams_bot.api.lenient import validate
from vkteams_bot.api.unset import UNSET
from vkteams_bot.exceptions import InvalidCall

R = TypeVar("R")
M = TypeVar("M", bound="type[Method[Any]]")

MsgId: TypeAlias = str | int
WireParams: TypeAlias = dict[str, str | list[str]]

METHODS: dict[str, type[Method[Any]]] = {}
"""Every declared method by its path."""


class WireError(ValueError):
    """Parameters from the wire that do not make this method; the text is what a server would answer."""


class Method(Generic[R]):
    """Base of all methods. Subclasses are frozen values, declared with `@endpoint`."""

    path: ClassVar[str]
    result: ClassVar[Any]
    safe_to_repeat: ClassVar[bool]
    charged: ClassVar[bool]
    logged: ClassVar[bool]
    upload_part: ClassVar[str | None]
    wire_names: ClassVar[dict[str, str]]

    def check(self) -> None:
        """Raise InvalidCall for what no server is known to take. Values made from the wire are not checked."""

    def params(self, default_parse_mode: str | None = None) -> WireParams:
        """The parameters as they go on the wire: text, or a list of texts for a repeated key. No token."""
        params: WireParams = {}
        for name, wire_name in self.wire_names.items():
            value = getattr(self, name)
            if value is None:
                continue
            if value is UNSET:
                if default_parse_mode is None or getattr(self, "format", None) is not None:
                    continue
                value = default_parse_mode
            params[wire_name] = wire_value(value)
        return params

    @property
    def chat(self) -> str | None:
        """The chat that the call addresses, if any: what a per-chat limit counts by."""
        return getattr(self, "chat_id", None)

    @property
    def upload(self) -> InputFile | None:
        """The file that must travel in the body, if any."""
        return getattr(self, "file", None)

    def uploading(self, file: InputFile) -> Self:
        """This method value with another file."""
        return dataclasses.replace(self, file=file)  # type: ignore[type-var]

    def decode(self, answer: Mapping[str, Any], bot: Any) -> R:
        """The typed result of an answer that said `ok`. Raises pydantic.ValidationError."""
        if self.result is bool:
            return True  # type: ignore[return-value]
        decoded: R = validate(self.result, answer, {"bot": bot, "chat_id": self.chat})
        return decoded

    @classmethod
    def from_wire(cls, params: Mapping[str, Sequence[str]], *, file: InputFile | None = None) -> Method[R]:
        """Build the value from wire parameters; an empty text counts as absent. Raises WireError."""
        values: dict[str, Any] = {"file": file} if file is not None else {}
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            wire_name = cls.wire_names.get(field.name)
            if wire_name is None:
                continue
            texts = [text for text in params.get(wire_name, ()) if text != ""]
            if texts:
                values[field.name] = tuple(texts) if len(texts) > 1 else texts[0]
            elif field.default is dataclasses.MISSING:
                if wire_name in params:
                    values[field.name] = params[wire_name][0] if params[wire_name] else ""
                else:
                    raise WireError(f"Missing required parameter '{wire_name}'")
            elif field.default is UNSET:
                values[field.name] = None
        try:
            return cls(**values)
        except (pydantic.ValidationError, InvalidCall, RecursionError) as error:
            raise WireError("Bad request") from error


def wire_value(value: Any) -> str | list[str]:
    """One parameter as text. What has `wire()` becomes its JSON text, any other sequence a repeated key."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple | list) and not hasattr(value, "wire"):
        return [str(item) for item in value]
    text: str = value.wire()
    return text


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def endpoint(
    path: str,
    result: Any = bool,
    *,
    safe_to_repeat: bool = False,
    charged: bool = True,
    logged: bool = False,
    upload_part: str | None = None,
    wire: Mapping[str, str] | None = None,
) -> Callable[[M], M]:
    """Declare a method: its path and result type.

    `safe_to_repeat`: doing it twice is the same as once, so it may be sent again when its outcome is unknown.
    `charged`: counts against the rate limit. `logged`: changes what a chat shows, so it belongs in the chat log.
    `wire`: names that are not the camelCase of the field's name.
    """

    def declare(cls: M) -> M:
        config = pydantic.ConfigDict(arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True)
        method: Any = pydantic_dataclass(frozen=True, config=config)(cls)
        method.path = path
        method.result = result
        method.safe_to_repeat = safe_to_repeat
        method.charged = charged
        method.logged = logged
        method.upload_part = upload_part
        method.wire_names = {
            field.name: (wire or {}).get(field.name, to_camel(field.name))
            for field in dataclasses.fields(method)
            if field.name != "file" or upload_part is None
        }
        METHODS[path] = method
        declared: M = method
        return declared

    return declare
