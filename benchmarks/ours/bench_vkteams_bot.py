"""django-vkteams-bot as a plain library. Its bot is a Django project: see project/.

bench_vkteams_bot.py client <api url> <cases> | dispatch <events>
"""

import asyncio
import json
import sys
from typing import Any

from measuring import batch, client_cases, per_item_us, per_item_us_async, report

TOKEN = "001.1.1:1000000001"


async def client(api_url: str, cases: str) -> None:
    from vkteams_bot.api import Bot

    async with Bot(token=TOKEN, api_url=api_url) as bot:

        async def send(chat_id: str, text: str) -> Any:
            return await bot.send_text(chat_id, text)

        await client_cases(send, json.loads(cases))


async def dispatch(count: str) -> None:
    from vkteams_bot import Router
    from vkteams_bot.api import Bot
    from vkteams_bot.api.methods import GetEvents
    from vkteams_bot.api.responses import read_answer
    from vkteams_bot.filters import Command
    from vkteams_bot.fsm import FSMContext, Strategy, key_for
    from vkteams_bot.routing import Dispatcher
    from vkteams_bot.types import Message

    repeat = int(count) // 100
    bot = Bot(token=TOKEN, api_url="http://localhost/bot/v1")
    result = {}
    for handlers in (1, 50):
        router, handled = Router(), 0
        for number in range(handlers):

            @router.message(Command(f"c{number}"))
            async def handler(message: Message) -> None:
                nonlocal handled
                handled += 1

        dispatcher = Dispatcher([router])
        body = batch(f"/c{handlers - 1} argument")

        def decode(body: bytes = body) -> Any:  # what Bot.execute does with an answer
            return read_answer(GetEvents(), 200, None, body, bot)

        events = decode()

        async def feed(dispatcher: Dispatcher = dispatcher, events: Any = events) -> None:
            for _ in range(repeat):
                for event in events:  # what the runtime does with an update, storage apart
                    key = key_for(event.payload, bot.alias, Strategy.USER_IN_CHAT)
                    await dispatcher.dispatch(event, bot, FSMContext(key))

        await feed()
        assert handled == repeat * 100
        result[f"dispatch_{handlers}_us"] = await per_item_us_async(feed, repeat * 100)
        result["decode_us"] = per_item_us(lambda: [decode() for _ in range(repeat)], repeat * 100)
    report(result)


if __name__ == "__main__":
    asyncio.run({"client": client, "dispatch": dispatch}[sys.argv[1]](*sys.argv[2:]))
