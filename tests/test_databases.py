import os

import pytest
from django.db import connection, transaction

from tests import databases


def test_sqlite_names_an_absolute_file():
    entry = databases.parse("sqlite:////tmp/with%20space/a.sqlite3")

    assert entry["NAME"] == entry["TEST"]["NAME"] == "/tmp/with space/a.sqlite3"
    assert entry["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_sqlite_url_is_read_back(tmp_path):
    path = tmp_path / "a b%20c.sqlite3"

    assert databases.parse(databases.sqlite_url(path))["NAME"] == str(path)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgres_parts_are_unquoted(scheme):
    assert databases.parse(f"{scheme}://bot:p%40ss%2Fword@db.example.com:5433/my%20bot?sslmode=require") == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "my bot",
        "USER": "bot",
        "PASSWORD": "p@ss/word",
        "HOST": "db.example.com",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_postgres_defaults_are_left_to_the_driver():
    entry = databases.parse("postgres:///bot")

    assert (entry["HOST"], entry["PORT"], entry["USER"], entry["NAME"]) == ("", "", "", "bot")


@pytest.mark.parametrize(
    "url", ["mysql://host/name", "name.sqlite3", "sqlite://", "sqlite://relative.sqlite3", "postgres://host/"]
)
def test_anything_else_is_refused(url):
    with pytest.raises(ValueError, match=r"SQLite|PostgreSQL|scheme"):
        databases.parse(url)


@pytest.mark.orm
@pytest.mark.django_db(transaction=True)
def test_the_suite_runs_on_the_database_it_was_given():
    wanted = "postgresql" if os.environ.get("TEST_DATABASE_URL", "").startswith("postgres") else "sqlite"

    assert connection.vendor == wanted
    if wanted == "sqlite":
        with connection.cursor() as cursor, transaction.atomic():
            assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
