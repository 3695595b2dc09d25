"""vk-teams-async-bot, used as its README shows.

bench_vk_teams_async_bot.py client <api url> <cases> | dispatch <events> | bot <api url> [<redis url>]
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

from measuring import batch, burst_cases, client_cases, per_item_us, per_item_us_async, report
from vk_teams_async_bot import Bot, CommandFilter, Dispatcher, FSMContext, MemoryStorage, NewMessageEvent
from vk_teams_async_bot.types.event import parse_event

TOKEN = "001.1.1:1000000001"


def make_bot(api_url: str) -> Bot:
    parts = urlsplit(api_url)
    return Bot(bot_token=TOKEN, url=f"{parts.scheme}://{parts.netloc}", base_path=parts.path)


async def client(api_url: str, cases: str) -> None:
    async with make_bot(api_url) as bot:
        await client_cases(bot.send_text, json.loads(cases))


async def dispatch(count: str) -> None:
    repeat = int(count) // 100
    bot = make_bot("http://localhost/bot/v1")
    result = {}
    for handlers in (1, 50):
        dispatcher, handled = Dispatcher(storage=MemoryStorage()), 0
        for number in range(handlers):

            @dispatcher.message(CommandFilter(f"c{number}"))
            async def handler(event: NewMessageEvent, bot: Bot) -> None:
                nonlocal handled
                handled += 1

        body = batch(f"/c{handlers - 1} argument")

        def decode(body: bytes = body) -> list[Any]:  # what Bot.get_events does with an answer
            return [parse_event(event) for event in json.loads(body)["events"]]

        events = decode()

        async def feed(dispatcher: Dispatcher = dispatcher, events: list[Any] = events) -> None:
            for _ in range(repeat):
                for event in events:
                    await dispatcher.feed_event(event, bot)

        await feed()
        assert handled == repeat * 100
        result[f"dispatch_{handlers}_us"] = await per_item_us_async(feed, repeat * 100)
        result["decode_us"] = per_item_us(lambda: [decode() for _ in range(repeat)], repeat * 100)
    report(result)


async def bot(api_url: str, redis_url: str | None = None) -> None:
    if redis_url:
        from vk_teams_async_bot import RedisStorage

        dispatcher = Dispatcher(storage=RedisStorage(redis_url=redis_url))
    else:
        dispatcher = Dispatcher(storage=MemoryStorage())

    cases = burst_cases()

    @dispatcher.message()
    async def echo(event: NewMessageEvent, bot: Bot, fsm_context: FSMContext) -> None:
        if cases:
            await client_cases(bot.send_text, cases)
            return
        await fsm_context.update_data(n=event.text)
        await bot.send_text(chat_id=event.chat.chat_id, text=event.text or "")

    async with make_bot(api_url) as bot:
        await bot.start_polling(dispatcher)


if __name__ == "__main__":
    asyncio.run({"client": client, "dispatch": dispatch, "bot": bot}[sys.argv[1]](*sys.argv[2:]))
