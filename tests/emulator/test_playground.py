"""What the playground takes from the project."""

import re

from vkteams_bot.emulator.playground import declared_commands
from vkteams_bot.routing import Router
from vkteams_bot.routing.filters import Command


def test_commands_are_suggested_with_the_first_line_of_their_docstrings():
    root, below = Router(), Router()
    root.include_router(below)

    @root.message(Command("start", "help"))
    async def start(message):
        """Say hello

        More words.
        """

    @below.message(Command("say", re.compile(r"say_\d+"), prefix="!"))
    async def say(message): ...

    @below.message(Command("start"))
    async def never_reached(message):
        """Another"""

    assert [tuple(command) for command in declared_commands([root])] == [
        ("/start", "Say hello"),
        ("/help", "Say hello"),
        ("!say", ""),
    ]
