import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vkteams_bot.stores import sql

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

ANY_TEXT = st.text(st.characters(codec=None, categories=("L", "N", "P", "S", "Z", "C")), max_size=20) | st.sampled_from(
    ["\x00", "\\u0000", "\\\x00", "\\\\u0000", "\ud800", "a\udfffb", '"', "\\", "\u2028", "🐍", "\\\\\x00\\"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(-1e6, 1e6, width=32)  # PostgreSQL keeps larger ones as exact numbers
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


def clean(value: Any) -> Any:
    """What PostgreSQL can hold: the same on both databases."""
    if isinstance(value, str):
        return "".join(sql.REPLACEMENT if c == "\x00" or "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean(name): clean(item) for name, item in value.items()}
    return value


def stored(columns: dict[str, str], rows: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql.source(columns) + " WHERE true" + sql.in_order(), [sql.rows_parameter(rows)])
        return list(cursor.fetchall())


def loaded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(JSON)
def test_any_json_comes_back(value):
    wrapped = {"value": value}
    [(found,)] = stored({"payload": "json"}, [[sql.json_parameter(wrapped)]])

    found = loaded(found)["value"]
    expected = clean(value)
    assert json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True) or found == expected


@QUICK
@given(st.lists(ANY_TEXT, min_size=1, max_size=5))
def test_any_text_comes_back_in_order(texts):
    found = stored({"text": "text"}, [[text] for text in texts])

    assert [text for (text,) in found] == [clean(text) for text in texts]


@given(ANY_TEXT | st.text(min_size=200, max_size=400), st.sampled_from([64, 255]))
def test_an_identifier_fits_and_stays_what_it_is(value, longest):
    found = sql.identifier(value, longest)

    assert len(found) <= longest
    assert found == clean(found) == sql.identifier(found, longest)
    if len(value) <= longest:
        assert found == clean(value)


def test_two_long_identifiers_stay_two():
    one, other = "x" * 300, "x" * 301

    assert sql.identifier(one) != sql.identifier(other)
    assert sql.identifier(one).startswith("x" * 200)


def test_every_kind_of_column():
    moment = datetime(2026, 2, 3, 4, 5, 6, 789, timezone(timedelta(hours=3)))
    number = uuid4()
    columns = {"n": "int", "t": "text", "at": "time", "u": "uuid", "none": "int"}
    row = [2**62, "text", sql.time_parameter(moment), sql.id_parameter(number), None]

    [(n, t, at, u, none)] = stored(columns, [row])

    assert (n, t, none) == (2**62, "text", None)
    if sql.is_postgres():
        assert (at, u) == (moment, number)
    else:  # as Django writes them there
        assert at == connection.ops.adapt_datetimefield_value(moment.astimezone(UTC)) == "2026-02-03 01:05:06.000789"
        assert u == number.hex


def test_no_rows_are_no_rows():
    assert stored({"n": "int"}, []) == []
