"""Events, accounts and stores for tests of the durable side."""

from __future__ import annotations

from typing import Any

from vkteams_bot.api.types import Event
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.fsm import StateKey
from vkteams_bot.models import BotAccount
from vkteams_bot.runtime.bot_store import BotStore
from vkteams_bot.stores.inbox import Incoming

OWNER = "test:1:a"
ALIAS = "default"


def raw_message(number: int, who: str = "a@example.com", text: str | None = None) -> dict[str, Any]:
    payload = {
        "chat": {"chatId": who, "type": "private"},
        "from": {"userId": who, "firstName": "A"},
        "msgId": str(number),
        "text": text or f"text {number}",
        "timestamp": 1_700_000_000,
    }
    return {"eventId": number, "type": "newMessage", "payload": payload}


def event(number: int, who: str = "a@example.com", text: str | None = None) -> Event:
    found = decode_event(raw_message(number, who, text), None)
    assert found.payload is not None, found.problem
    return found


def key(who: str = "a@example.com") -> StateKey:
    return StateKey(ALIAS, who, who)


def incoming(*numbers: int, who: str = "a@example.com") -> list[Incoming]:
    return [Incoming(event(number, who), key(who)) for number in numbers]


def account(alias: str = ALIAS) -> BotAccount:
    found, _ = BotAccount.objects.get_or_create(alias=alias, user_id="1")
    return found


def store(owner: str = OWNER) -> BotStore:
    """A store that holds the lease."""
    found = BotStore(account(), owner)
    assert found.lease.take()
    return found
