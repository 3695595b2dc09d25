"""Options with which a PostgreSQL connection notices that the network went silent. Without them it waits for ever."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

DEFAULTS: Mapping[str, int] = {
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""In seconds, `tcp_user_timeout` in milliseconds. While the server's machine is there, an answer may take for ever."""
FIRST_LIBPQ = {"tcp_user_timeout": 120_000}
"""The version that knows an option; an older one would refuse to connect."""
VARIABLES = {"connect_timeout": "PGCONNECT_TIMEOUT"}


def set_connection_defaults() -> None:
    """For new connections of this process to the default database. What the project says itself stays as it is."""
    database = connections.settings[DEFAULT_DB_ALIAS]
    database["OPTIONS"] = {**_missing(database), **database["OPTIONS"]}


def connection_options() -> dict[str, Any]:
    """Those that connections of this process to the default database have."""
    options = connections.settings[DEFAULT_DB_ALIAS]["OPTIONS"]
    return {name: options[name] for name in DEFAULTS if name in options}


def _missing(database: Mapping[str, Any]) -> dict[str, int]:
    """None where a file of services has a say of its own, or where there is no network."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    options = database["OPTIONS"]
    if connection.vendor != "postgresql" or "service" in options or "PGSERVICE" in os.environ:
        return {}
    if not _is_remote(database, options):
        return {}
    version = _libpq_version(connection.Database)
    return {
        name: value
        for name, value in DEFAULTS.items()
        if FIRST_LIBPQ.get(name, 0) <= version and VARIABLES.get(name, "") not in os.environ
    }


def _is_remote(database: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    """A host that is empty, or a path, is a Unix socket."""
    named = (options.get("hostaddr"), database["HOST"] or options.get("host"))
    hosts = [*named, os.environ.get("PGHOSTADDR"), None if any(named) else os.environ.get("PGHOST")]
    return any(host and not str(host).startswith(("/", "@")) for host in hosts)


def _libpq_version(driver: Any) -> int:
    """Of psycopg or psycopg2."""
    version: int = driver.pq.version() if hasattr(driver, "pq") else driver.extensions.libpq_version()
    return version
