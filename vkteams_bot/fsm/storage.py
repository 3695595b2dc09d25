"""What is kept of a conversation, and the batch face of whatever keeps it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from vkteams_bot.exceptions import RoutingError
from vkteams_bot.fsm.keys import StateKey


@dataclass(frozen=True, slots=True)
class StateRecord:
    """A conversation's state as stored. `version` counts the saves; the storage alone raises it."""

    state: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0
    expires_at: datetime | None = None


class Storage(Protocol):
    """Loads many and saves many. Synchronous: the runtime calls it where blocking is allowed."""

    def load(self, keys: Collection[StateKey]) -> dict[StateKey, StateRecord]:
        """What is stored of these keys; expired ones come back empty, unknown ones not at all."""

    def save(self, records: Mapping[StateKey, StateRecord]) -> None:
        """Store with `version + 1`. A record whose stored version has moved on meanwhile is left alone."""


class MemoryStorage:
    """A dict. State ends with the process."""

    def __init__(self) -> None:
        self._records: dict[StateKey, StateRecord] = {}

    def load(self, keys: Collection[StateKey]) -> dict[StateKey, StateRecord]:
        now = datetime.now(UTC)
        return {key: _unexpired(self._records[key], now) for key in keys if key in self._records}

    def save(self, records: Mapping[StateKey, StateRecord]) -> None:
        """All or nothing. Raises RoutingError when data is not JSON."""
        stored = {}
        for key, record in records.items():
            known = self._records.get(key)
            if known is None or known.version == record.version:
                data = _as_json(key, record.data)
                stored[key] = replace(record, data=data, version=record.version + 1)
        self._records.update(stored)


def _unexpired(record: StateRecord, now: datetime) -> StateRecord:
    if record.expires_at is not None and record.expires_at <= now:
        return StateRecord(version=record.version)
    return replace(record, data=json.loads(json.dumps(record.data)))


def _as_json(key: StateKey, data: Mapping[str, Any]) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = json.loads(json.dumps(dict(data), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise RoutingError(f"the state data of {key} is not JSON: {error}") from error
    return decoded
