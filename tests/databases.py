"""Database URLs of the test-suite: one string that fits into an environment variable."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

# Writers queue for the lock at BEGIN instead of failing half-way with "database is locked".
SQLITE_OPTIONS: dict[str, Any] = {
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
}


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"


def parse(url: str) -> dict[str, Any]:
    """Return the Django ``DATABASES`` entry that ``url`` names.

    ``sqlite:////absolute/path`` or ``postgres[ql]://user:password@host:port/name?option=value``.
    Anything else raises ValueError.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = unquote(parts.path).removeprefix("/")
        if parts.netloc or not path:
            raise ValueError(f"not an SQLite URL, sqlite:///path is: {url}")
        # The test database is this very file, not one in memory: threads and processes must share it.
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path,
            "OPTIONS": SQLITE_OPTIONS,
            "TEST": {"NAME": path},
        }
    if parts.scheme in {"postgres", "postgresql"}:
        name = unquote(parts.path).removeprefix("/")
        if not name:
            raise ValueError("a PostgreSQL URL needs the name of a database")
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": str(parts.port or ""),
            "OPTIONS": dict(parse_qsl(parts.query)),
        }
    raise ValueError(f"unknown database scheme {parts.scheme!r}: use sqlite or postgres")
