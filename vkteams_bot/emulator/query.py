"""Queries: presses on buttons, and what they were answered with."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import BotAccount

KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Query:
    query_id: str
    bot: BotAccount
    chat: Chat
    user_id: str
    answers: list[dict[str, Any]] = field(default_factory=list)


class Queries:
    """The last 10 000 presses by their ids."""

    def __init__(self) -> None:
        self._queries: OrderedDict[str, Query] = OrderedDict()

    def add(self, query: Query) -> None:
        self._queries[query.query_id] = query
        if len(self._queries) > KEPT:
            self._queries.popitem(last=False)

    def find(self, bot: BotAccount, query_id: str) -> Query:
        """Raises Refusal when it is not a query to this bot."""
        query = self._queries.get(query_id)
        if query is None or query.bot is not bot:
            raise Refusal("queryId not found")
        return query

    def answers(self) -> list[dict[str, Any]]:
        """Every answer with its queryId, in the order of the presses."""
        return [{"queryId": query.query_id, **answer} for query in self._queries.values() for answer in query.answers]

    def clear(self) -> None:
        self._queries.clear()
