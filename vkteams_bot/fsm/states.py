"""State and StatesGroup, with the names and strings of aiogram 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class HasState(Protocol):
    """FSMContext, as far as a filter looks at it."""

    @property
    def state(self) -> str | None: ...


class State:
    """A state of a dialog. In a group its string is `Group:name`; a nested group's is `Outer.Inner:name`."""

    def __init__(self, state: str | None = None, group_name: str | None = None) -> None:
        self._name = state
        self._group_name = group_name
        self._group: type[StatesGroup] | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        if not (isinstance(owner, type) and issubclass(owner, StatesGroup)):
            raise TypeError(f"a State is declared in a StatesGroup, not in {owner!r}")
        if self._name is None:
            self._name = name
        self._group = owner

    @property
    def group(self) -> type[StatesGroup]:
        """The group that declares this state. Raises RuntimeError when there is none."""
        if self._group is None:
            raise RuntimeError(f"{self!r} is not in any group")
        return self._group

    @property
    def state(self) -> str | None:
        """The string that is stored: None for `default_state`, "*" for `any_state`."""
        if self._name is None or self._name == "*":
            return self._name
        if self._group_name:
            return f"{self._group_name}:{self._name}"
        return f"{self._group.__full_group_name__ if self._group else '@'}:{self._name}"

    def __call__(self, event: Any, state: HasState) -> bool:
        """As a filter: whether the conversation is in this state."""
        name = self.state
        return name == "*" or state.state == name

    def __eq__(self, other: object) -> bool:
        if isinstance(other, State):
            return self.state == other.state
        if isinstance(other, str):
            return self.state == str(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.state)

    def __repr__(self) -> str:
        return f"<State {self.state or ''!r}>"

    def __str__(self) -> str:
        return repr(self)


class StatesGroupMeta(type):
    """Collects the states and groups that a group declares. A group is iterable over all of its states."""

    __parent__: StatesGroupMeta | None
    __children__: tuple[StatesGroupMeta, ...]
    __states__: tuple[State, ...]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> StatesGroupMeta:
        group = super().__new__(mcs, name, bases, namespace, **options)
        group.__parent__ = None
        group.__states__ = tuple(value for value in namespace.values() if isinstance(value, State))
        group.__children__ = tuple(value for value in namespace.values() if isinstance(value, StatesGroupMeta))
        for child in group.__children__:
            child.__parent__ = group
        return group

    def __call__(cls, event: Any, state: HasState) -> bool:
        """As a filter: whether the conversation is in any of its states. Groups have no instances."""
        return state.state in cls.__all_states_names__

    @property
    def __full_group_name__(cls) -> str:
        return f"{cls.__parent__.__full_group_name__}.{cls.__name__}" if cls.__parent__ else cls.__name__

    @property
    def __all_children__(cls) -> tuple[StatesGroupMeta, ...]:
        return (*cls.__children__, *(group for child in cls.__children__ for group in child.__all_children__))

    @property
    def __all_states__(cls) -> tuple[State, ...]:
        return (*cls.__states__, *(state for child in cls.__children__ for state in child.__all_states__))

    @property
    def __all_states_names__(cls) -> tuple[str, ...]:
        return tuple(state.state for state in cls.__all_states__ if state.state)

    def __contains__(cls, item: object) -> bool:
        if isinstance(item, str):
            return str(item) in cls.__all_states_names__
        if isinstance(item, State):
            return item in cls.__all_states__
        return item in cls.__all_children__

    def __iter__(cls) -> Iterator[State]:
        return iter(cls.__all_states__)

    def __repr__(cls) -> str:
        return f"<StatesGroup {cls.__full_group_name__!r}>"

    def __str__(cls) -> str:
        return repr(cls)


class StatesGroup(metaclass=StatesGroupMeta):
    """`class Form(StatesGroup): name = State()`."""

    @classmethod
    def get_root(cls) -> StatesGroupMeta:
        """The outermost group around this one."""
        root: StatesGroupMeta = cls
        while root.__parent__ is not None:
            root = root.__parent__
        return root


default_state = State()
any_state = State("*")
