"""Set-based SQL for the hot path: any number of rows is one statement with one JSON parameter.

Measured (benchmarks/README.md): `bulk_create` and `bulk_update` cost about twice as much CPU per row as this, and the
database thread shares its interpreter lock with the handlers. PostgreSQL and SQLite only; a system check says so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Model
from pydantic_core import PydanticSerializationError, to_json

Row = Sequence[Any]

_POSTGRES_CASTS = {"int": "bigint", "text": "text", "json": "jsonb", "time": "timestamptz", "uuid": "uuid"}
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LONGEST_ID = 255
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DIGEST_BYTES = 16


def table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


def source(columns: dict[str, str]) -> str:
    """`SELECT … FROM` one JSON parameter holding a list of lists, in order, as these columns (name -> kind).

    Kinds: int, text, json, time, uuid.
    """
    if is_postgres():
        fields = (
            f"(r->>{place})::{_POSTGRES_CASTS[kind]} AS {name}" for place, (name, kind) in enumerate(columns.items())
        )
        return f"SELECT {', '.join(fields)} FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS t(r, n)"
    fields = (f"json_extract(value, '$[{place}]') AS {name}" for place, name in enumerate(columns))
    return f"SELECT {', '.join(fields)} FROM json_each(%s)"


def at_most(count: int) -> str:
    """What to append to a `source` that is joined.

    PostgreSQL expects 100 rows of it, and for so many reads a whole table of some ten thousands.
    """
    return f" LIMIT {count}" if is_postgres() else ""


def in_order() -> str:
    """What to append to a `source` so that rows get their ids in the order given."""
    return " ORDER BY n" if is_postgres() else " ORDER BY key"


def rows_parameter(rows: Any) -> str:
    """The parameter for a `source`. What PostgreSQL cannot store (NUL, lone surrogates) becomes U+FFFD."""
    try:
        text = to_json(rows).decode()
    except (PydanticSerializationError, UnicodeError, ValueError):
        text = storable(json.dumps(rows, ensure_ascii=False, default=str))
    if "\\u0000" in text:
        text = _NUL.sub(lambda match: match[1] + REPLACEMENT, text)
    return text


def storable(value: str, longest: int | None = None) -> str:
    """A text as a column holds it, cut to `longest` characters."""
    return _UNSTORABLE.sub(REPLACEMENT, value[:longest])


def identifier(value: str, longest: int = LONGEST_ID) -> str:
    """An id of the wire as its column holds it, so that what is read back is found again.

    One that is too long keeps its beginning and ends in a digest of the whole: two long ids stay two.
    """
    value = storable(value)
    if len(value) <= longest:
        return value
    digest = hashlib.blake2b(value.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{value[: longest - len(digest) - 1]}~{digest}"


def time_parameter(moment: datetime | None) -> str | None:
    """A moment as this database stores it."""
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    return moment.isoformat() if is_postgres() else moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def id_parameter(value: Any) -> str:
    """A UUID as this database stores it."""
    return str(value) if is_postgres() else str(value.hex)


def json_parameter(value: Any) -> str:
    """JSON inside a row: as text, which both databases read back unchanged."""
    return rows_parameter(value)
