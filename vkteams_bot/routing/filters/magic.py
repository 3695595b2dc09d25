"""Takes apart what magic-filter made of `F.x & <a filter of ours>`.

magic-filter would compute `value & filter` when an event comes, which is no decision at all.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

from magic_filter import MagicFilter
from magic_filter.operations import (
    BaseOperation,
    CombinationOperation,
    ImportantFunctionOperation,
    RCombinationOperation,
)
from magic_filter.util import and_op, or_op

from vkteams_bot.exceptions import ConfigurationError

_NAMES = {operator.and_: "and", and_op: "and", operator.or_: "or", or_op: "or"}


@dataclass(frozen=True, slots=True)
class MagicExpression:
    """`operator` is and, or, not."""

    operator: str
    operands: tuple[Any, ...]


def parse_magic(magic: MagicFilter) -> MagicFilter | MagicExpression:
    """The expression itself, or its outermost operator when it holds filters that are not magic."""
    operations = _operations(magic)
    start = next((index for index, operation in enumerate(operations) if _is_foreign(_operand(operation))), None)
    if start is None:
        return magic
    result: Any = MagicFilter(operations[:start])
    for operation in operations[start:]:
        if isinstance(operation, ImportantFunctionOperation) and operation.function is operator.not_:
            result = MagicExpression("not", (result,))
            continue
        name = _NAMES.get(getattr(operation, "combinator", None))  # type: ignore[arg-type]
        if name is None:
            raise ConfigurationError("F and other filters combine by &, | and ~ only")
        other = _operand(operation)
        operands = (other, result) if isinstance(operation, RCombinationOperation) else (result, other)
        result = MagicExpression(name, operands)
    expression: MagicExpression = result
    return expression


def _operations(magic: MagicFilter) -> tuple[BaseOperation, ...]:
    operations: tuple[BaseOperation, ...] = magic._operations
    return operations


def _operand(operation: BaseOperation) -> Any:
    """What `&` or `|` joins to the expression; None for any other operation."""
    if getattr(operation, "combinator", None) not in _NAMES:
        return None
    if isinstance(operation, CombinationOperation):
        return operation.right
    return operation.left if isinstance(operation, RCombinationOperation) else None


def _is_foreign(operand: Any) -> bool:
    if isinstance(operand, MagicFilter):
        return any(_is_foreign(_operand(operation)) for operation in _operations(operand))
    return callable(operand)
