"""Whether the file of SQLite is still the one that this process opened."""

from __future__ import annotations

import os
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, connections


class DatabaseReplaced(Exception):
    """Another file stands in the place of the database. In WAL mode SQLite writes on into the old one."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is not the file any more that this process has opened, and what it wrote since may stand in that "
            "one: stop runbot before you replace the database, and start it again"
        )


class DatabaseFile:
    """Of the default database, as it is now. For a server, and for a database in memory, there is none."""

    def __init__(self) -> None:
        connection = connections[DEFAULT_DB_ALIAS]
        self._path = Path(connection.settings_dict["NAME"]) if connection.vendor == "sqlite" else None
        self._was = self._identity()

    def check(self) -> None:
        """Raises DatabaseReplaced. While there is no file nothing is said: it may be put back."""
        is_now = self._identity()
        if self._path is not None and self._was is not None and is_now is not None and is_now != self._was:
            raise DatabaseReplaced(self._path)

    def _identity(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
