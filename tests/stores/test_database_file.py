"""A file of SQLite that another one replaces."""

import os
from pathlib import Path

import pytest

from vkteams_bot.stores.wrong_database import DatabaseFile, DatabaseReplaced


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from django.db import connections

    found = tmp_path / "database.sqlite3"
    found.write_bytes(b"")
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", str(found))
    monkeypatch.setattr(type(connections["default"]), "vendor", "sqlite")
    return found


def test_written_to_it_is_the_same(path: Path):
    file = DatabaseFile()
    path.write_bytes(b"more")
    file.check()


def test_moved_away_it_may_be_put_back_but_not_replaced(path: Path):
    file = DatabaseFile()
    os.rename(path, path.with_suffix(".old"))
    file.check()
    path.write_bytes(b"")
    with pytest.raises(DatabaseReplaced, match="stop runbot before you replace the database"):
        file.check()
    os.rename(path.with_suffix(".old"), path)
    file.check()


def test_a_database_in_memory_has_none(monkeypatch: pytest.MonkeyPatch):
    from django.db import connections

    monkeypatch.setitem(connections["default"].settings_dict, "NAME", "file:memorydb?mode=memory&cache=shared")
    DatabaseFile().check()
