"""Set-based SQL for the hot path: any number of rows is one statement with one JSON parameter.

Measured (benchmarks/README.md): `bulk_create` and `bulk_update` cost about twice as much CPU per row as this, and the
database thread shares its interpreter lock with the handlers. PostgreSQL and SQLite only; a system check says so.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import (
    CharField,
    DateTimeField,
    Field,
    ForeignKey,
    IntegerField,
    JSONField,
    Model,
    TextField,
    UUIDField,
)
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


_KINDS: tuple[tuple[type[Field[Any, Any]], str], ...] = (
    (UUIDField, "uuid"),
    (JSONField, "json"),
    (DateTimeField, "time"),
    (IntegerField, "int"),
    (CharField, "text"),
    (TextField, "text"),
)


def columns(model: type[Model], *names: str) -> dict[str, str]:
    """Columns of a model, such as `account_id`, with their kinds for `source`."""
    return {name: _kind(model._meta.get_field(name)) for name in names}


def _kind(field: Any) -> str:
    if isinstance(field, ForeignKey):
        return _kind(field.target_field)
    return next(kind for type_, kind in _KINDS if isinstance(field, type_))


def insert(
    model: type[Model],
    names: Sequence[str],
    rows: Sequence[Row],
    *,
    same: Mapping[str, Any] | None = None,
    computed: Mapping[str, tuple[str, Sequence[Any]]] | None = None,
    ordered: bool = False,
    then: str = "",
) -> list[tuple[Any, ...]]:
    """Insert rows that have these columns, and return what `then` ("ON CONFLICT …", "RETURNING …") gives.

    `same`: columns with one value for all rows. `computed`: others, as SQL over the given ones with its parameters.
    `ordered`: ids ascend as the rows do. All other columns get the defaults of the model; TypeError tells of one that
    has none.
    """
    same, computed = same or {}, computed or {}
    expressions = tuple((name, expression) for name, (expression, _) in computed.items())
    statement, defaults = _insert_statement(
        connection.vendor, model, tuple(names), tuple(same), expressions, ordered, then
    )
    parameters = [value for _, values in computed.values() for value in values]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*same.values(), *parameters, *defaults, rows_parameter(rows)])
        return cursor.fetchall() if "RETURNING" in then else []


@functools.cache
def _insert_statement(
    vendor: str,
    model: type[Model],
    names: tuple[str, ...],
    same: tuple[str, ...],
    computed: tuple[tuple[str, str], ...],
    ordered: bool,
    then: str,
) -> tuple[str, tuple[Any, ...]]:
    defaults = _defaults(model, {*names, *same, *dict(computed)})
    every = [*names, *same, *dict(computed), *defaults]
    values = [
        *names,
        *(_placeholder(model, name) for name in same),
        *dict(computed).values(),
        *(_placeholder(model, name) for name in defaults),
    ]
    # SQLite reads "ON" after a bare FROM as the begin of a join, hence WHERE true.
    return (
        f"INSERT INTO {table(model)} ({', '.join(every)}) SELECT {', '.join(values)} "
        f"FROM ({source(columns(model, *names))} WHERE true{in_order() if ordered else ''}) AS given WHERE true {then}"
    ), tuple(defaults.values())


def _placeholder(model: type[Model], name: str) -> str:
    return f"%s::{_POSTGRES_CASTS[columns(model, name)[name]]}" if is_postgres() else "%s"


def _defaults(model: type[Model], filled: set[str]) -> dict[str, Any]:
    """What the model says of the columns that a statement does not fill. Raises TypeError for one without a default."""
    defaults: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.attname in filled:
            continue
        if not field.has_default() and (field.has_db_default() or field.primary_key):
            continue
        if field.has_default():
            value = field.get_default()
            defaults[field.attname] = json_parameter(value) if isinstance(field, JSONField) else value
        elif field.null:
            continue
        elif field.blank and field.empty_strings_allowed:
            defaults[field.attname] = ""
        else:
            raise TypeError(f"no statement fills {model.__name__}.{field.name}, and it has no default")
    return defaults


def later(seconds: float) -> str:
    """SQL for the moment so many seconds from now, by the clock of the database."""
    if is_postgres():
        return f"clock_timestamp() + interval '{float(seconds)} seconds'"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '{float(seconds):+} seconds')"


def clock() -> datetime:
    """The time by the clock of the database."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {later(0)}", [])
        (moment,) = cursor.fetchone()
    clock_moment = as_moment(moment)
    assert clock_moment is not None
    return clock_moment


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


def moment_placeholder() -> str:
    """SQL for a `time_parameter` where its type cannot be inferred."""
    return "%s::timestamptz" if is_postgres() else "%s"


def as_uuid(value: Any) -> UUID:
    """A UUID as a cursor of this database gave it."""
    return value if isinstance(value, UUID) else UUID(value)


def as_moment(value: Any) -> datetime | None:
    """A moment as a cursor of this database gave it."""
    return datetime.fromisoformat(f"{value}+00:00") if isinstance(value, str) else value


def id_parameter(value: UUID) -> str:
    """A UUID as this database stores it."""
    return str(value) if is_postgres() else str(value.hex)


def json_parameter(value: Any) -> str:
    """JSON inside a row: as text, which both databases read back unchanged."""
    return rows_parameter(value)
