import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, models
from django.test.utils import isolate_apps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vkteams_bot.models import BotAccount, Update, Worker
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


class TestInsert:
    """A field that no statement fills is noticed here, not by a bot at work."""

    def test_what_is_not_given_gets_the_defaults_of_the_model(self):
        now = datetime.now(UTC)
        account = BotAccount.objects.create(alias="default", user_id="1")
        rows = [(account.pk, 1, "x", sql.json_parameter({"a": 1}), sql.time_parameter(now))]
        then = "ON CONFLICT (account_id, event_id, epoch) DO NOTHING RETURNING id"
        [(key,)] = sql.insert(Update, ("account_id", "event_id", "type", "payload", "created_at"), rows, then=then)
        update = Update.objects.get(pk=key)
        assert (update.status, update.attempts, update.handler, update.done_at) == ("pending", 0, "", None)
        assert update.payload == {"a": 1}

    def test_computed_columns_and_order(self):
        names = ("name",)
        computed = {"last_heartbeat": (sql.later(60), ())}
        sql.insert(Worker, names, [["b"], ["a"]], computed=computed, ordered=True)
        assert list(Worker.objects.order_by("pk").values_list("name", flat=True)) == ["b", "a"]
        assert all(worker.last_heartbeat > datetime.now(UTC) for worker in Worker.objects.all())

    def test_a_new_field_without_a_default_is_told(self):
        with isolate_apps("vkteams_bot"):

            class Grown(models.Model):
                name = models.CharField(max_length=5)
                grown = models.IntegerField()

                class Meta:
                    app_label = "vkteams_bot"

                def __str__(self):
                    return self.name

        with pytest.raises(TypeError, match=r"no statement fills Grown\.grown"):
            sql.insert(Grown, ("name",), [["a"]])


def test_the_clock_is_that_of_the_database():
    assert abs((sql.clock() - datetime.now(UTC)).total_seconds()) < 60
