"""Reading an object of which side fields are missing or wrong: they are left out, and do not cost the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)

MOST_REPAIRS = 20


def validate(model: type[M], raw: Any, context: Mapping[str, Any], *, items: bool = False) -> M:
    """The object, without what could not be read of it. Raises ValidationError when what is left is no such object.

    What is wrong is left out where it stands; what lacks something is left out whole. With `items` that may be an item
    of a list: elsewhere nobody may take the rest for all there is.
    """
    try:
        return model.model_validate(raw, context=context)
    except ValidationError as error:
        first = failure = error
    kept = copy.deepcopy(raw)
    for _ in range(MOST_REPAIRS):
        if not _leave_out(kept, failure, items=items):
            break
        try:
            return model.model_validate(kept, context=context)
        except ValidationError as error:
            failure = error
    raise first


def problems_of(error: ValidationError) -> str:
    """What is wrong, for a log: at most five fields."""
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])


def _leave_out(raw: Any, error: ValidationError, *, items: bool) -> bool:
    """Whether something could be left out for each problem."""
    places = {_place(item["type"], item["loc"]) for item in error.errors()}
    # From the end, so that places in lists stay right.
    found = [_delete(raw, place, items=items) for place in sorted(places, key=_order, reverse=True)]
    return bool(found) and all(found)


def _place(kind: str, loc: Sequence[int | str]) -> tuple[int | str, ...]:
    """Of a field that is missing the object that lacks it."""
    return tuple(loc[:-1] if kind == "missing" else loc)


def _order(place: Sequence[int | str]) -> tuple[tuple[int, str], ...]:
    return tuple((step, "") if isinstance(step, int) else (-1, step) for step in place)


def _delete(raw: Any, place: Sequence[int | str], *, items: bool) -> bool:
    """Delete the innermost thing on the way to a place that can be found; the place also names variants of a type."""
    holder: Any = None
    key: Any = None
    inner = raw
    for step in place:
        is_item = isinstance(step, int) and isinstance(inner, list) and step < len(inner)
        if is_item or (isinstance(inner, dict) and step in inner):
            holder, key = inner, step
            inner = holder[key]
    if holder is None or (isinstance(holder, list) and not items):
        return False
    del holder[key]
    return True
