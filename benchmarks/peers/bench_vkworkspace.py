"""vkworkspace, used as its README shows.

bench_vkworkspace.py client <api url> <cases> | dispatch <events> | bot <api url> [<redis url>]
"""

import asyncio
import json
import sys

from measuring import batch, burst_cases, client_cases, per_item_us, per_item_us_async, report
from vkworkspace import Bot, Dispatcher, F, Router
from vkworkspace.filters import Command
from vkworkspace.fsm import FSMContext
from vkworkspace.types import Message
from vkworkspace.types.event import Update

TOKEN = "001.1.1:1000000001"


async def client(api_url: str, cases: str) -> None:
    async with Bot(token=TOKEN, api_url=api_url) as bot:
        await client_cases(bot.send_text, json.loads(cases))


async def dispatch(count: str) -> None:
    repeat = int(count) // 100
    bot = Bot(token=TOKEN, api_url="http://localhost/bot/v1")
    result = {}
    for handlers in (1, 50):
        dispatcher, handled = Dispatcher(), 0
        for number in range(handlers):

            async def handler(message: Message) -> None:
                nonlocal handled
                handled += 1

            dispatcher.message(Command(f"c{number}"))(handler)
        body = batch(f"/c{handlers - 1} argument")

        def decode(body: bytes = body) -> list[Update]:  # what Bot.get_events does with an answer
            return [Update.model_validate(event) for event in json.loads(body)["events"]]

        updates = decode()

        async def feed(dispatcher: Dispatcher = dispatcher, updates: list[Update] = updates) -> None:
            for _ in range(repeat):
                for update in updates:
                    await dispatcher.feed_update(bot, update)

        await feed()
        assert handled == repeat * 100
        result[f"dispatch_{handlers}_us"] = await per_item_us_async(feed, repeat * 100)
        result["decode_us"] = per_item_us(lambda: [decode() for _ in range(repeat)], repeat * 100)
    report(result)


async def bot(api_url: str, redis_url: str | None = None) -> None:
    if redis_url:
        from redis.asyncio import Redis
        from vkworkspace.fsm.storage.redis import RedisStorage

        dispatcher = Dispatcher(storage=RedisStorage(redis=Redis.from_url(redis_url)))
    else:
        dispatcher = Dispatcher()
    router, cases = Router(), burst_cases()

    @router.message(F.text)
    async def echo(message: Message, state: FSMContext) -> None:
        if cases:
            await client_cases(message.bot.send_text, cases)
            return
        await state.update_data(n=message.text)
        await message.answer(message.text)

    dispatcher.include_router(router)
    await dispatcher.start_polling(Bot(token=TOKEN, api_url=api_url))


if __name__ == "__main__":
    asyncio.run({"client": client, "dispatch": dispatch, "bot": bot}[sys.argv[1]](*sys.argv[2:]))
