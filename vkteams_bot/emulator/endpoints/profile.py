"""self/*"""

from __future__ import annotations

from vkteams_bot.api.methods import GetMe
from vkteams_bot.emulator.endpoints.register import Answer, serves
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World


@serves(GetMe)
def get_me(world: World, bot: BotAccount, call: GetMe) -> Answer:
    return bot.user.reference() | bot.user.portrait()
