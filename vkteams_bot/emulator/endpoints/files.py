"""files/*"""

from __future__ import annotations

from vkteams_bot.api.methods import GetFileInfo
from vkteams_bot.emulator.endpoints.register import Answer, serves
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World


@serves(GetFileInfo)
def get_file_info(world: World, bot: BotAccount, call: GetFileInfo) -> Answer:
    stored = world.files.offer(call.file_id)
    return {
        "type": stored.type or "file",
        "size": len(stored.content),
        "filename": stored.filename,
        "url": world.file_url(stored.file_id),
    }
