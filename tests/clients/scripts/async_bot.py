"""The bot of the conversation with vk-teams-async-bot. async_bot.py <api url> <token>"""

import asyncio
import io
import logging
import sys
from urllib.parse import urlsplit

from vk_teams_async_bot import (  # type: ignore[import-not-found]
    Bot,
    CallbackQueryEvent,
    Dispatcher,
    FileFilter,
    InlineKeyboardMarkup,
    KeyboardButton,
    NewMessageEvent,
    ParseMode,
    StyleKeyboard,
)

dispatcher = Dispatcher()


@dispatcher.message(FileFilter())
async def received(event: NewMessageEvent, bot: Bot) -> None:
    info = await bot.get_file_info(event.parts[0].payload.file_id)
    content = (await bot.download_file(info.url)).decode()
    await bot.send_text(event.chat.chat_id, f"{info.filename}: {content}", reply_msg_id=event.msg_id)
    print("downloaded", content, flush=True)


@dispatcher.message()
async def choose(event: NewMessageEvent, bot: Bot) -> None:
    keyboard = InlineKeyboardMarkup()
    keyboard.row(
        KeyboardButton(text="Yes", callback_data="yes", style=StyleKeyboard.PRIMARY),
        KeyboardButton(text="Site", url="https://example.com/"),
    )
    sent = await bot.send_text(
        event.chat.chat_id, "*Choose*", parse_mode=ParseMode.MARKDOWNV2, inline_keyboard_markup=keyboard
    )
    print("sent", sent.msg_id, flush=True)


@dispatcher.callback_query()
async def pressed(event: CallbackQueryEvent, bot: Bot) -> None:
    await bot.answer_callback_query(event.query_id, text="Thanks")
    chat_id = event.message.chat.chat_id
    await bot.edit_text(chat_id, event.message.msg_id, f"You chose {event.callback_data}")
    file = ("report.txt", io.BytesIO(b"report of the bot"), "text/plain")
    sent = await bot.send_file(chat_id, file=file, caption="For you")
    print("uploaded", sent.msg_id, flush=True)


async def main(api_url: str, token: str) -> None:
    parts = urlsplit(api_url)
    address = {"url": f"{parts.scheme}://{parts.netloc}", "base_path": parts.path}
    async with Bot(bot_token=token, poll_time=20, **address) as bot:
        print("polling as", (await bot.get_self()).nick, flush=True)
        await bot.start_polling(dispatcher)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(*sys.argv[1:]))
