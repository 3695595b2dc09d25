"""The register of endpoints.

A further method is a function: `@serves(SetTitle) def set_title(world, bot, call: SetTitle) -> Answer`. It returns
what the answer holds besides `ok`, or raises Refusal. A coroutine function may wait; it is cancelled when the client
goes away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from vkteams_bot.api.methods import Method
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World

Answer: TypeAlias = dict[str, Any]
M = TypeVar("M", bound=Method[Any])
F = TypeVar("F", bound=Callable[..., Answer | Awaitable[Answer]])


@dataclass(frozen=True, slots=True)
class Endpoint:
    method: type[Method[Any]]
    serve: Callable[[World, BotAccount, Any], Answer | Awaitable[Answer]]
    private: bool = False


ENDPOINTS: dict[str, Endpoint] = {}
"""Every endpoint by its path; a path that is not here is an `Unknown method`."""


def serves(method: type[M], *, private: bool = False) -> Callable[[F], F]:
    """Register a function as the endpoint of a method; `private`: only for bots that the administrator allows it."""

    def register(function: F) -> F:
        ENDPOINTS[method.path] = Endpoint(method, function, private)
        return function

    return register
