"""How many rows a statement reads, beside many that it does not want.

The answer hangs neither on the statistics of the hour nor on the order of tests. PostgreSQL is told to avoid sequential
scans, so one is left only where no index serves, and every statement is run, with its rows counted, and undone. SQLite
counts no rows: there the plan must scan no table.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, models, transaction

from vkteams_bot.models import Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update

ROWS = 10_000
"""Fewer than the 30 000 of which ANALYZE takes a sample: it sees them all."""
MOST_ROWS_READ = ROWS // 10
TABLES = [model._meta.db_table for model in (Update, OutgoingCall, Conversation, Chat, Contact, ChatMessage)]
STATEMENT = re.compile(r"[\s(]*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")


def multiply(row: models.Model, count: int = ROWS, **columns: str) -> None:
    """Store `count` copies of a saved row by one statement.

    `columns` names the fields that differ, with an SQL expression of `n`, which counts from 1. All other columns are
    copied, so that a field which the model gets one day is filled, too. A key that counts by itself is left to do so.
    """
    table, key = row._meta.db_table, row._meta.pk
    values = {
        str(field.column): columns.pop(field.name, f"original.{field.column}")
        for field in row._meta.concrete_fields
        if field.name in columns or not isinstance(field, models.AutoField)
    }
    assert not columns, "no such fields"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
            f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} "
            f"FROM numbers CROSS JOIN {table} AS original WHERE original.{key.column} = %s",
            [key.get_db_prep_value(row.pk, connection)],
        )


def uuid_of_number(start: int = 0) -> str:
    """An expression for `multiply`: keys that grow, as ours do, beginning after `start`."""
    number = f"n + {start}"
    return (
        f"lpad(to_hex({number}), 32, '0')::uuid" if connection.vendor == "postgresql" else f"printf('%%032x', {number})"
    )


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@dataclass(frozen=True)
class Plan:
    sql: str
    text: str
    scanned: frozenset[str]
    """The tables of ours that it reads from end to end."""
    rows_read: int
    """Of the tables of ours; 0 on SQLite, which does not count."""


def plan_of(sql: str, params: Any = None) -> Plan:
    """Run a statement, undo what it did, and tell how it went about it."""
    if connection.vendor == "postgresql":
        return _plan_of_postgres(sql, params)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        lines = [str(line) for *_, line in cursor.fetchall()]
    scans = [re.search(rf"SCAN (?:TABLE )?\"?({'|'.join(TABLES)}|c)\b", line) for line in lines if "USING" not in line]
    return Plan(sql, "\n".join(lines), frozenset(scan[1] for scan in scans if scan), rows_read=0)


def _plan_of_postgres(sql: str, params: Any) -> Plan:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
        (answer,) = cursor.fetchone()
        transaction.set_rollback(True)
    [explained] = json.loads(answer) if isinstance(answer, str) else answer
    nodes = [node for node in _walk(explained["Plan"]) if node.get("Relation Name") in TABLES]
    scanned = frozenset(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan")
    return Plan(sql, json.dumps(explained["Plan"], indent=1), scanned, sum(map(_rows_read, nodes)))


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _walk(child)


def _rows_read(node: dict[str, Any]) -> int:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int((node["Actual Rows"] + removed) * node["Actual Loops"])


def plans_of(work: Callable[[], object]) -> list[Plan]:
    """Run work; the plan of each of its statements, made right before it ran."""
    plans: list[Plan] = []
    is_explaining = False

    def explain(execute, sql, params, many, context):
        nonlocal is_explaining
        if not is_explaining and STATEMENT.match(sql):
            is_explaining = True
            try:
                plans.append(plan_of(sql, params))
            finally:
                is_explaining = False
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        work()
    return plans


def check(work: Callable[[], object], *, least: int) -> None:
    """`least`: so many statements at least; fewer would mean that the work had nothing to do."""
    plans = plans_of(work)
    assert len(plans) >= least, plans
    for plan in plans:
        assert not plan.scanned, f"{plan.sql}\n{plan.text}"
        assert plan.rows_read <= MOST_ROWS_READ, f"{plan.rows_read} rows read\n{plan.sql}\n{plan.text}"
