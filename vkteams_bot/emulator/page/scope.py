"""How the page finds its world: in the ASGI scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vkteams_bot.emulator.world import World

WORLD = "playground_world"
COMMANDS = "playground_commands"


class BotCommand(NamedTuple):
    """A command that the composer suggests, with its slash."""

    command: str
    description: str = ""


Commands = Mapping[str, Sequence[BotCommand]]
"""Commands by the bot's user id."""


def with_world(application: Any, world: World, commands: Commands | None = None) -> Any:
    """Wrap an ASGI application (HTTP, websocket or both) so that the page inside it shows this world."""

    async def with_world_in_scope(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await application({**scope, WORLD: world, COMMANDS: commands or {}}, receive, send)

    return with_world_in_scope
