"""A process of the bot that sends as much as the shared limit lets it: bench_limit.py reply | bulk."""

import asyncio
import sys
from itertools import count

import django

LOT = 20
CHATS = 1000


async def main(priority: str) -> None:
    from vkteams_bot import bots
    from vkteams_bot.api.methods import SendText
    from vkteams_bot.limits import Priority, wait_turn

    bot = bots["default"]
    numbers = count()

    async def send() -> None:
        await bot.execute(SendText(f"bulk{next(numbers) % CHATS}@example.com", "bulk"), charged=False)

    while True:
        if priority == "reply":
            await wait_turn(bot.limiter, None)
            await send()
            continue
        granted = bot.limiter.take(LOT, Priority.BULK)
        await asyncio.gather(*(send() for _ in range(granted.count)))
        await asyncio.sleep(granted.wait)


if __name__ == "__main__":
    django.setup()
    asyncio.run(main(sys.argv[1]))
