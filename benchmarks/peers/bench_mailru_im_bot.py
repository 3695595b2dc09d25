"""mailru-im-bot, used as its README shows. It has no FSM, so its end-to-end bot only answers.

bench_mailru_im_bot.py client <api url> <cases> | dispatch <events> | bot <api url> [<threads>]

Its handlers run in the polling thread, one by one. With <threads>, the handler hands each message to a pool: the usual
way out, which gives up the order of messages in a chat.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from bot.bot import Bot
from bot.event import Event, EventType
from bot.handler import CommandHandler, MessageHandler
from measuring import batch, burst_cases, client_cases_in_threads, per_item_us, report

TOKEN = "001.1.1:1000000001"


def make_bot(api_url: str) -> Bot:
    return Bot(token=TOKEN, api_url_base=api_url, name="bench")


def client(api_url: str, cases: str) -> None:
    client_cases_in_threads(make_bot(api_url).send_text, json.loads(cases), threads=100)


def dispatch(count: str) -> None:
    repeat = int(count) // 100
    result = {}
    for handlers in (1, 50):
        bot, handled = make_bot("http://localhost/bot/v1"), 0

        def handler(bot: Bot, event: Event) -> None:
            nonlocal handled
            handled += 1

        for number in range(handlers):
            bot.dispatcher.add_handler(CommandHandler(command=f"c{number}", callback=handler))
        body = batch(f"/c{handlers - 1} argument")

        def decode(body: bytes = body) -> list[Event]:  # what its polling thread does with an answer
            return [Event(type_=EventType(e["type"]), data=e["payload"]) for e in json.loads(body)["events"]]

        events = decode()

        def feed(bot: Bot = bot, events: list[Event] = events) -> None:
            for _ in range(repeat):
                for event in events:
                    bot.dispatcher.dispatch(event)

        feed()
        assert handled == repeat * 100
        result[f"dispatch_{handlers}_us"] = per_item_us(feed, repeat * 100)
        result["decode_us"] = per_item_us(lambda: [decode() for _ in range(repeat)], repeat * 100)
    report(result)


def bot(api_url: str, threads: str = "0") -> None:
    bot = make_bot(api_url)
    pool = ThreadPoolExecutor(int(threads)) if int(threads) else None
    cases = burst_cases()

    def echo(bot: Bot, event: Event) -> None:
        if cases:
            client_cases_in_threads(bot.send_text, cases, threads=100)
        elif pool:
            pool.submit(bot.send_text, chat_id=event.from_chat, text=event.text)
        else:
            bot.send_text(chat_id=event.from_chat, text=event.text)

    bot.dispatcher.add_handler(MessageHandler(callback=echo))
    bot.start_polling()
    bot.idle()


if __name__ == "__main__":
    {"client": client, "dispatch": dispatch, "bot": bot}[sys.argv[1]](*sys.argv[2:])
