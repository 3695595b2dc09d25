"""StateFilter: where the conversation stands."""

from __future__ import annotations

from typing import Any

from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.fsm.context import FSMContext
from vkteams_bot.fsm.states import State, StatesGroupMeta
from vkteams_bot.routing.filters.base import BaseFilter


class StateFilter(BaseFilter):
    """The conversation is in one of these: a State, a group, a state's string, None (no state), "*" (whatever)."""

    def __init__(self, *states: State | StatesGroupMeta | str | None) -> None:
        if not states:
            raise ConfigurationError('StateFilter needs a state; None stands for no state, "*" for whatever state')
        names: set[str | None] = set()
        for state in states:
            if isinstance(state, StatesGroupMeta):
                names.update(item.state for item in state)
            elif isinstance(state, State):
                names.add(state.state)
            elif state is None or isinstance(state, str):
                names.add(state)
            else:
                raise ConfigurationError(f"{state!r} is not a state")
        self.names = frozenset(names)
        self._whatever = "*" in names

    def __call__(self, event: Any, state: FSMContext) -> bool:
        return self._whatever or state.state in self.names
