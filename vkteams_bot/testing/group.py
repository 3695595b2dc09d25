"""Group: a chat of several people."""

from __future__ import annotations

from vkteams_bot.emulator.world import World


class Group:
    """A group, channel or thread."""

    def __init__(self, world: World, chat_id: str) -> None:
        self._world = world
        self.chat_id = chat_id

    def __repr__(self) -> str:
        return f"<Group {self.title or self.chat_id}>"

    @property
    def title(self) -> str:
        return self._world.directory.group(self.chat_id).title

    @property
    def members(self) -> list[str]:
        """User ids, that of the bot too if it is one."""
        return list(self._world.directory.group(self.chat_id).members)

    @property
    def admins(self) -> set[str]:
        """User ids."""
        return set(self._world.directory.group(self.chat_id).admins)
