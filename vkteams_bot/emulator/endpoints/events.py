"""events/*"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Any

from vkteams_bot.api.methods import GetEvents
from vkteams_bot.emulator.endpoints.register import Answer, serves
from vkteams_bot.emulator.refusal import GatewayTimeout, Refusal
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World


@serves(GetEvents)
def get_events(world: World, bot: BotAccount, call: GetEvents) -> Answer | Awaitable[Answer]:
    if call.poll_time < 0 and world.behaviour.negative_poll == "refuse":
        raise Refusal("Bad request")
    if world.behaviour.pollers == "newest":
        bot.queue.end_polls()
    events = _take(world, bot, call)
    if events or call.poll_time <= 0:
        return {"events": events}
    return _poll(world, bot, call, bot.queue.turn)


async def _poll(world: World, bot: BotAccount, call: GetEvents, turn: int) -> Answer:
    longest = world.behaviour.longest_poll
    too_long = 0 < longest < call.poll_time
    deadline = time.monotonic() + (longest if too_long else call.poll_time)
    fresh = False
    while bot.queue.turn == turn and not world.closed:
        # Also before the first wait: this begins a moment after get_events looked.
        events = _take(world, bot, call, fresh=fresh)
        left = deadline - time.monotonic()
        if events or left <= 0:
            if not events and too_long and world.behaviour.long_poll_end == "504":
                raise GatewayTimeout
            return {"events": events}
        await bot.queue.arrival(left)
        fresh = world.behaviour.pollers == "split"
    return {"events": []}


def _take(world: World, bot: BotAccount, call: GetEvents, *, fresh: bool = False) -> list[Any]:
    behaviour = world.behaviour
    bot.queue.forget(keep_events=behaviour.keep_events, keep_seconds=behaviour.keep_seconds)
    return bot.queue.take(
        call.last_event_id,
        behaviour.batch_limit,
        stateless=behaviour.acknowledge == "stateless",
        zero_keeps=behaviour.zero_returns == "kept",
        ignore_beyond=behaviour.beyond_newest == "ignore",
        fresh=fresh,
    )
