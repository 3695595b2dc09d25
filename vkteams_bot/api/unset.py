"""The difference between "not given: use the bot's default" and "given as None: plain"."""

from __future__ import annotations

import enum
from typing import Literal, TypeAlias


class _Unset(enum.Enum):
    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET = _Unset.UNSET
Unset: TypeAlias = Literal[_Unset.UNSET]
