"""The bot of the conversation with vkworkspace. vkworkspace_bot.py <api url> <token>"""

import asyncio
import logging
import sys

from vkworkspace import Bot, Dispatcher, F, Router  # type: ignore[import-not-found]
from vkworkspace.types import CallbackQuery, InputFile, Message  # type: ignore[import-not-found]
from vkworkspace.utils.keyboard import InlineKeyboardBuilder  # type: ignore[import-not-found]

router = Router()


@router.message(F.files)
async def received(message: Message) -> None:
    file = message.files[0]
    info = await message.bot.get_file_info(file.file_id)
    content = (await message.bot.download(file)).decode()
    await message.reply(f"{info.filename}: {content}")
    print("downloaded", content, flush=True)


@router.message(F.text)
async def choose(message: Message) -> None:
    builder = InlineKeyboardBuilder()
    builder.button(text="Yes", callback_data="yes")
    builder.button(text="Site", url="https://example.com/", style="base")
    builder.adjust(2)
    sent = await message.answer("*Choose*", parse_mode="MarkdownV2", inline_keyboard_markup=builder.as_markup())
    print("sent", sent.msg_id, flush=True)


@router.callback_query()
async def pressed(query: CallbackQuery) -> None:
    await query.answer("Thanks")
    await query.message.edit_text(f"You chose {query.callback_data}")
    file = InputFile(b"report of the bot", filename="report.txt")
    sent = await query.bot.send_file(query.chat.chat_id, file=file, caption="For you")
    print("uploaded", sent.msg_id, flush=True)


async def main(api_url: str, token: str) -> None:
    async with Bot(token=token, api_url=api_url, poll_time=20) as bot:
        print("polling as", (await bot.get_me()).nick, flush=True)
        dispatcher = Dispatcher()
        dispatcher.include_router(router)
        await dispatcher.start_polling(bot)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(*sys.argv[1:]))
