"""events/*"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Any

from vkteams_bot.api.methods import GetEvents
from vkteams_bot.emulator.endpoints.registry import Answer, serves
from vkteams_bot.emulator.people import BotAccount
from vkteams_bot.emulator.world import World


@serves(GetEvents)
def get_events(world: World, bot: BotAccount, call: GetEvents) -> Answer | Awaitable[Answer]:
    events = _take(world, bot, call)
    if events or call.poll_time <= 0:
        return {"events": events}
    return _poll(world, bot, call)


async def _poll(world: World, bot: BotAccount, call: GetEvents) -> Answer:
    deadline = time.monotonic() + call.poll_time
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or world.closed:
            return {"events": []}
        await bot.queue.arrival(left)
        events = _take(world, bot, call)
        if events:
            return {"events": events}


def _take(world: World, bot: BotAccount, call: GetEvents) -> list[Any]:
    stateless = world.behaviour.acknowledge == "stateless"
    return bot.queue.take(call.last_event_id, world.batch_limit, stateless=stateless)
