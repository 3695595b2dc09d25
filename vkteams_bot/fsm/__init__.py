"""Conversation state: names of states, keys of conversations, what a handler sees of them."""

from vkteams_bot.fsm.context import FSMContext
from vkteams_bot.fsm.keys import StateKey, Strategy, key_for
from vkteams_bot.fsm.states import State, StatesGroup, any_state, default_state
from vkteams_bot.fsm.storage import MemoryStorage, StateRecord, Storage

__all__ = [
    "FSMContext",
    "MemoryStorage",
    "State",
    "StateKey",
    "StateRecord",
    "StatesGroup",
    "Storage",
    "Strategy",
    "any_state",
    "default_state",
    "key_for",
]
