"""Callback data with fields: packed into a button, unpacked from a press, which returns it verbatim (botapi.md §5)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from functools import cache, partial
from string import punctuation
from typing import Any, ClassVar, Literal, Self, get_args, get_origin
from uuid import UUID

from magic_filter import F, MagicFilter
from pydantic import BaseModel, ConfigDict

from vkteams_bot.exceptions import ConfigurationError, InvalidCall, InvalidCallbackData

LONGEST_BYTES = 4096
"""No source names a limit of servers (botapi.md §8). A press echoes the whole keyboard, so buttons carry little."""

VERSION_MARK = "@"
QUOTE = "%"
EMPTY = QUOTE
"""An empty text; nothing at all stands for None."""


class CallbackDataFactory(BaseModel):
    """Fields that a button carries: `class Order(CallbackDataFactory, prefix="order"): id: int; action: str`.

    Fields are str, int, bool, float, Decimal, UUID, dates, times, enums, literals of these, and None. Change their
    order, number or meaning, and the buttons of old messages say something else: then raise `version`, from 1.
    `sep` is one character. Raises ConfigurationError when declared wrongly.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    __prefix__: ClassVar[str]
    __version__: ClassVar[int]
    __sep__: ClassVar[str]

    def __init_subclass__(cls, *, prefix: str, version: int = 1, sep: str = ":", **options: Any) -> None:
        if len(sep) != 1 or sep not in punctuation or sep in (QUOTE, VERSION_MARK):
            raise ConfigurationError(f"{cls.__name__}: sep is one of {punctuation}, but for % and @")
        if not prefix or any(mark in prefix for mark in (sep, VERSION_MARK, QUOTE)):
            raise ConfigurationError(f"{cls.__name__}: prefix is a word without {sep!r}, '@' and '%'")
        if version < 1:
            raise ConfigurationError(f"{cls.__name__}: versions are counted from 1")
        cls.__prefix__ = prefix
        cls.__version__ = version
        cls.__sep__ = sep
        super().__init_subclass__(**options)

    def pack(self) -> str:
        """The text for the button. Raises InvalidCall for what does not fit into one."""
        words = [_head(self.__prefix__, self.__version__)]
        for name in type(self).model_fields:
            text = _text(getattr(self, name), f"{type(self).__name__}.{name}")
            words.append("" if text is None else _quoted(text, self.__sep__) or EMPTY)
        packed = self.__sep__.join(words)
        try:
            size = len(packed.encode())
        except UnicodeEncodeError:
            raise InvalidCall(f"{type(self).__name__}: half of a surrogate pair is not a character") from None
        if size > LONGEST_BYTES:
            raise InvalidCall(f"{type(self).__name__}: {size} bytes do not fit into a button ({LONGEST_BYTES} do)")
        return packed

    @classmethod
    def unpack(cls, data: str) -> Self:
        """The value behind a press. Raises InvalidCallbackData: of another prefix, outdated, or made up by somebody."""
        head, *words = data.split(cls.__sep__)
        version = cls._version_of(head)
        values = [_value(word, cls.__sep__) for word in words]
        read = cls._fields if version == cls.__version__ else partial(cls.upgrade, version)
        try:
            return cls.model_validate(read(values))
        except InvalidCallbackData:
            raise
        except ValueError:  # of pydantic, or of an upgrade that met data which nobody packed
            raise InvalidCallbackData(f"the fields are not those of {cls.__name__}") from None

    @classmethod
    def upgrade(cls, version: int, values: Sequence[str | None]) -> Mapping[str, Any]:
        """Today's fields for what an older `version` packed. A ValueError refuses it, as the default does.

        Data can be made up: there may be too few `values`, too many, and senseless ones.
        """
        raise InvalidCallbackData(f"{cls.__name__}: data of version {version}, which is outdated")

    @classmethod
    def filter(cls, rule: MagicFilter | None = None) -> CallbackDataFilter:
        """Filter of callback queries: the button carries such a value, and `rule`, an `F` expression on it, holds."""
        return CallbackDataFilter(cls, rule)

    @classmethod
    def _version_of(cls, head: str) -> int:
        prefix, mark, version = head.partition(VERSION_MARK)
        if prefix != cls.__prefix__:
            raise InvalidCallbackData(f"not data of {cls.__name__}")
        number = _version(version) if mark else 1
        if not 1 <= number <= cls.__version__:
            raise InvalidCallbackData(f"{cls.__name__}: data of a version that is not known")
        return number

    @classmethod
    def _fields(cls, values: Sequence[str | None]) -> dict[str, Any]:
        if len(values) != len(cls.model_fields):
            raise InvalidCallbackData(f"{cls.__name__}: {len(values)} values for {len(cls.model_fields)} fields")
        choices = _choices_of(cls)
        return {
            name: None if value is None else choices[name].get(value, value)
            for name, value in zip(cls.model_fields, values, strict=True)
        }


class CallbackDataFilter:
    """Yes for presses that carry a value of the factory. Puts it as `callback_data`."""

    provides = ("callback_data",)

    def __init__(self, factory: type[CallbackDataFactory], rule: MagicFilter | None) -> None:
        self.factory = factory
        self.rule = rule

    def __call__(self, event: Any) -> bool | dict[str, Any]:
        data = getattr(event, "callback_data", None)
        if not isinstance(data, str):
            return False
        try:
            value = self.factory.unpack(data)
        except InvalidCallbackData:
            return False
        if self.rule is not None and not self.rule.resolve(value):
            return False
        return {"callback_data": value}

    # Routing takes magic expressions apart, so they carry the algebra of filters here, where routing is not known.

    def __and__(self, other: Any) -> Any:
        return _magic(self) & other

    def __or__(self, other: Any) -> Any:
        return _magic(self) | other

    def __invert__(self) -> Any:
        return ~_magic(self)


def _magic(filter_: Callable[..., Any]) -> Any:
    return F & filter_


def _head(prefix: str, version: int) -> str:
    return prefix if version == 1 else f"{prefix}{VERSION_MARK}{version}"


def _version(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _text(value: Any, owner: str) -> str | None:
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return str(value)
    raise InvalidCall(f"{owner}: {type(value).__name__} does not fit into callback data")


def _quoted(text: str, sep: str) -> str:
    return text.replace(QUOTE, f"{QUOTE}25").replace(sep, _quote_of(sep))


def _value(word: str, sep: str) -> str | None:
    if word == EMPTY:
        return ""
    return word.replace(_quote_of(sep), sep).replace(f"{QUOTE}25", QUOTE) or None


def _quote_of(sep: str) -> str:
    return f"{QUOTE}{ord(sep):02X}"


@cache
def _choices_of(factory: type[CallbackDataFactory]) -> dict[str, dict[str, Any]]:
    return {name: _choices(field.annotation) for name, field in factory.model_fields.items()}


def _choices(annotation: Any) -> dict[str, Any]:
    """Members of enums and literals by their texts: pydantic reads `1` as an int, but not as a member that is 1."""
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        members: Sequence[Any] = list(annotation)
    elif get_origin(annotation) is Literal:
        members = get_args(annotation)
    else:
        return {text: member for part in get_args(annotation) for text, member in _choices(part).items()}
    return {text: member for member in members if (text := _text(member, "a choice")) is not None}
