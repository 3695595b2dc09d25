"""What a handler sees of its conversation. In memory: loaded with the batch, saved with the commit."""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping
from typing import Any

from vkteams_bot.fsm.keys import StateKey
from vkteams_bot.fsm.states import State
from vkteams_bot.fsm.storage import StateRecord

# Values that nobody can change in place: they need no copy.
_SCALARS = frozenset({str, int, float, bool, type(None)})


class _Done:
    """The effect has taken place; awaiting gives None."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


class StateName(str):
    """The state as text, "" when there is none. Awaited: the text, or None."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, str | None]:
        return str(self) or None
        yield


class StateData(dict[str, Any]):
    """A copy of the data. Awaited: a plain dict."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, dict[str, Any]]:
        return dict(self)
        yield


_DONE = _Done()


class FSMContext:
    """State and data of one conversation. Every method takes effect at once; awaiting it is allowed, not needed.

    Values are copied on their way in and out: only these methods change what will be saved.
    """

    __slots__ = ("_data", "_loaded", "_state", "key")

    def __init__(self, key: StateKey, record: StateRecord | None = None) -> None:
        self.key = key
        self._loaded = record if record is not None else StateRecord()
        # Both are replaced, never changed in place: so the loaded record and saved ones may share them.
        self._state = self._loaded.state
        self._data = self._loaded.data

    def __repr__(self) -> str:
        return f"<FSMContext of {self.key} in {self._state!r}>"

    @property
    def state(self) -> str | None:
        return self._state

    @property
    def data(self) -> dict[str, Any]:
        """A copy."""
        return {name: value if type(value) in _SCALARS else _copied(value) for name, value in self._data.items()}

    def get_state(self) -> StateName:
        return StateName(self._state or "")

    def set_state(self, state: State | str | None = None) -> _Done:
        """None ends the dialog and keeps its data."""
        if isinstance(state, State):
            state = state.state
        elif state is not None and not isinstance(state, str):
            raise TypeError(f"a state is a State, a str or None, not {state!r}")
        if state == "*":
            raise TypeError('"*" stands for any state in filters; it cannot be set')
        self._state = str(state) if state else None
        return _DONE

    def get_data(self) -> StateData:
        return StateData(self.data)

    def set_data(self, data: Mapping[str, Any]) -> _Done:
        """Replace all data."""
        self._data = {name: _copied(value) for name, value in data.items()}
        return _DONE

    def update_data(self, data: Mapping[str, Any] | None = None, /, **values: Any) -> StateData:
        """Set these values, keep the others. The data after that is the result."""
        new = {name: _copied(value) for name, value in {**(data or {}), **values}.items()}
        self._data = {**self._data, **new}
        return self.get_data()

    def get_value(self, name: str, default: Any = None) -> Any:
        """One value of the data, at once: it is not awaitable."""
        return _copied(self._data[name]) if name in self._data else default

    def clear(self) -> _Done:
        """End the dialog and forget its data."""
        self._state = None
        self._data = {}
        return _DONE

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        if self._state != self._loaded.state:
            return True
        return self._data is not self._loaded.data and not _same(self._data, self._loaded.data)

    def record(self) -> StateRecord:
        """What to save; `version` is the loaded one."""
        return StateRecord(self._state, self._data, self._loaded.version, self._loaded.expires_at)

    def rollback(self) -> None:
        """Back to what was loaded."""
        self._state = self._loaded.state
        self._data = self._loaded.data


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict:
        return {name: _copied(item) for name, item in value.items()}
    if kind is list:
        return [_copied(item) for item in value]
    return copy.deepcopy(value)


def _same(left: Any, right: Any) -> bool:
    """Equal and of equal types: 1, 1.0 and True are equal to Python, but not to a reader of the stored data."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(value, right[name]) for name, value in left.items())
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return left is right or bool(left == right)
