"""The bot of the conversation with mailru-im-bot, and with vk-workspace-bot-sdk, whose module has the same name.

official_bot.py <api url> <token>
"""

import io
import logging
import sys

import requests  # type: ignore[import-untyped]
from bot.bot import Bot  # type: ignore[import-not-found]
from bot.filter import Filter  # type: ignore[import-not-found]
from bot.handler import BotButtonCommandHandler, MessageHandler  # type: ignore[import-not-found]
from bot.types import InlineKeyboardMarkup, KeyboardButton  # type: ignore[import-not-found]


def choose(bot, event):
    keyboard = InlineKeyboardMarkup()
    keyboard.row(
        KeyboardButton(text="Yes", callbackData="yes"),
        KeyboardButton(text="Site", url="https://example.com/", style="base"),
    )
    sent = bot.send_text(event.from_chat, "*Choose*", parse_mode="MarkdownV2", inline_keyboard_markup=keyboard).json()
    print("sent", sent["msgId"], flush=True)


def pressed(bot, event):
    bot.answer_callback_query(event.queryId, "Thanks")
    bot.edit_text(event.from_chat, event.msgId, f"You chose {event.callback_query}")
    file = io.BytesIO(b"report of the bot")
    file.name = "report.txt"
    print("uploaded", bot.send_file(event.from_chat, file=file, caption="For you").json()["msgId"], flush=True)


def received(bot, event):
    info = bot.get_file_info(event.data["parts"][0]["payload"]["fileId"]).json()
    content = requests.get(info["url"], timeout=20).text
    bot.send_text(event.from_chat, f"{info['filename']}: {content}", reply_msg_id=event.msgId)
    print("downloaded", content, flush=True)


def main(api_url, token):
    bot = Bot(token=token, api_url_base=api_url, name="conversation", poll_time_s=20)
    bot.dispatcher.add_handler(MessageHandler(filters=Filter.file, callback=received))
    bot.dispatcher.add_handler(MessageHandler(filters=Filter.text & ~Filter.file, callback=choose))
    bot.dispatcher.add_handler(BotButtonCommandHandler(callback=pressed))
    print("polling as", bot.self_get().json()["nick"], flush=True)
    bot.start_polling()
    bot.idle()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main(*sys.argv[1:])
