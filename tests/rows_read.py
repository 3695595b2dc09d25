"""How much of the database a statement reads: the property that tests of query plans promise, whatever the plan.

A plan depends on the statistics of the hour. Call ANALYZE on tables of fewer than 30 000 rows: it samples all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def watched_statements(most_rows: int, most_steps: int) -> Iterator[list[str]]:
    """For each SELECT, UPDATE and DELETE what is wrong with it, "" for nothing: it reads more than these.

    Rows are counted on PostgreSQL, on SQLite steps of its virtual machine, some twenty for a row of a list.
    """
    problems: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "UPDATE", "DELETE")) and "pg_class" not in sql:
            is_postgres = connection.vendor == "postgresql"
            count, most = (_rows(sql, params), most_rows) if is_postgres else (_steps(sql, params), most_steps)
            unit = "rows read" if is_postgres else "steps"
            problems.append(f"{count} {unit}, at most {most} allowed\n{sql}\n{params}" if count > most else "")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield problems


def _rows(sql: str, params: Any) -> int:
    """Rows that the statement reads from tables and indexes. What it changes is undone."""
    with connection.connection.cursor() as cursor:
        cursor.execute("SAVEPOINT watched")
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
        answer = cursor.fetchone()[0]
        cursor.execute("ROLLBACK TO SAVEPOINT watched")
    nodes = [(json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]]
    read = 0
    for node in nodes:
        nodes += node.get("Plans", [])
        if "Scan" in node["Node Type"]:
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            read += (node["Actual Rows"] + removed) * node["Actual Loops"]
    return int(read)


def _steps(sql: str, params: Any) -> int:
    """Steps that SQLite takes for the statement, to the nearest hundred. What it changes is undone."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    raw = connection.connection
    raw.execute("SAVEPOINT watched")
    raw.set_progress_handler(count, 100)
    try:
        raw.execute(sql.replace("%s", "?").replace("%%", "%"), params or ()).fetchall()
    finally:
        raw.set_progress_handler(None, 0)
        raw.execute("ROLLBACK TO SAVEPOINT watched")
    return steps
