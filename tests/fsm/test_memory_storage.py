"""MemoryStorage."""

from datetime import UTC, datetime, timedelta

import pytest

from vkteams_bot.exceptions import RoutingError
from vkteams_bot.fsm import MemoryStorage, StateKey, StateRecord

ONE = StateKey("default", "c", "1")
TWO = StateKey("default", "c", "2")


def test_unknown_keys_are_not_in_the_answer():
    assert MemoryStorage().load([ONE]) == {}


def test_many_at_once_and_versions():
    storage = MemoryStorage()
    storage.save({ONE: StateRecord("a", {"x": [1]}), TWO: StateRecord("b")})
    assert storage.load([ONE, TWO, StateKey("other", "c", "1")]) == {
        ONE: StateRecord("a", {"x": [1]}, version=1),
        TWO: StateRecord("b", version=1),
    }


def test_a_record_that_has_moved_on_is_left_alone():
    storage = MemoryStorage()
    storage.save({ONE: StateRecord("a")})
    storage.save({ONE: StateRecord("by an operator", version=1)})
    storage.save({ONE: StateRecord("late", version=1)})
    assert storage.load([ONE])[ONE] == StateRecord("by an operator", version=2)


def test_expired_records_come_back_empty_with_their_version():
    storage = MemoryStorage()
    now = datetime.now(UTC)
    storage.save(
        {
            ONE: StateRecord("a", {"x": 1}, expires_at=now - timedelta(seconds=1)),
            TWO: StateRecord("b", expires_at=now + timedelta(hours=1)),
        }
    )
    loaded = storage.load([ONE, TWO])
    assert loaded[ONE] == StateRecord(version=1)
    assert loaded[TWO].state == "b"


def test_what_is_loaded_is_nobodys_but_the_loaders():
    storage = MemoryStorage()
    data = {"x": [1]}
    storage.save({ONE: StateRecord("a", data)})
    data["x"].append(2)
    storage.load([ONE])[ONE].data["x"].append(3)
    assert storage.load([ONE])[ONE].data == {"x": [1]}


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), b"bytes"])
def test_data_that_is_not_json_is_refused_and_nothing_is_saved(value):
    storage = MemoryStorage()
    with pytest.raises(RoutingError, match="not JSON"):
        storage.save({ONE: StateRecord("a"), TWO: StateRecord("b", {"x": value})})
    assert storage.load([ONE, TWO]) == {}
