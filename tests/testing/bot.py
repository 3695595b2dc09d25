"""A small bot that does a little of everything."""

import asyncio
import sys

from django.contrib.auth.models import Group as Team
from django.db import transaction

from vkteams_bot import F, InputFile, Router
from vkteams_bot.filters import CallbackData, Command
from vkteams_bot.fsm import FSMContext, State, StatesGroup
from vkteams_bot.keyboards import InlineKeyboardBuilder
from vkteams_bot.types import CallbackQuery, DeletedMessage, EditedMessage, Message, NewChatMembers, PinnedMessage

router = Router()


class Form(StatesGroup):
    name = State()


@router.message(Command("start"))
async def start(message: Message):
    await message.answer("Hello!")


@router.message(Command("name"))
async def ask(message: Message, state: FSMContext):
    await state.set_state(Form.name)
    keyboard = (
        InlineKeyboardBuilder().button("Cancel", callback_data="cancel").button("Site", url="https://example.com")
    )
    return message.answer("Your <b>name</b>?", inline_keyboard_markup=keyboard, parse_mode="HTML")


@router.callback_query(CallbackData("cancel"))
async def cancel(query: CallbackQuery, state: FSMContext):
    await state.clear()
    assert query.message is not None
    return [query.answer("Cancelled.", show_alert=True), query.message.edit_text("Never mind.")]


@router.message(Command("count"))
def count(message: Message):
    message.answer("Counting...").send()
    return f"{Team.objects.count()} teams"


@router.message(Command("commit"))
def commit(message: Message):
    with transaction.atomic():
        transaction.on_commit(lambda: message.answer("Committed.").send())
        Team.objects.create(name="committed")
    return "Returned."


@router.message(Command("fail"))
async def fail(message: Message, state: FSMContext):
    await state.set_state("lost")
    raise ValueError("on purpose")


@router.message(Command("sleep"))
async def sleep(message: Message):
    await asyncio.sleep(600)
    return "Good morning."


@router.message(Command("forever"))
async def forever(message: Message):
    await asyncio.Event().wait()


@router.message(Command("exit"))
async def exit(message: Message, state: FSMContext):
    await state.set_state("lost")
    sys.exit("on purpose")


@router.message(Command("cancelled"))
async def cancelled(message: Message):
    raise asyncio.CancelledError


@router.message(Command("nothing"))
async def nothing(message: Message):
    return None


@router.message(Command("wrong"))
async def wrong(message: Message):
    return message.bot.send_text("nobody@example.com", "Lost")


@router.message(Command("report"))
async def report(message: Message):
    await message.answer_chat_action("typing")
    await message.bot.send_file(message.chat.chat_id, file=InputFile(b"a,b", filename="report.csv"), caption="Here")


@router.message(Command("wait"))
async def wait(message: Message):
    sent = await message.answer("Please wait...")
    await message.answer("Ready.")
    await sent.delete()


@router.message(Form.name)
async def remember(message: Message, state: FSMContext):
    await state.update_data(name=message.text)
    await state.set_state(None)
    await Team.objects.acreate(name=message.text or "")
    return f"Welcome, {message.text}. You are number {await Team.objects.acount()}."


@router.message(F.files)
async def receive(message: Message):
    info = await message.bot.get_file_info(message.files[0].file_id)
    return f"{info.filename}: {info.size} bytes, {message.caption}"


@router.message(F.sticker)
async def sticker(message: Message):
    return f"sticker {message.sticker and message.sticker.file_id}"


@router.message(F.forwards)
async def forward(message: Message):
    return f"forwarded: {message.forwards[0].text}"


@router.message(F.reply_to)
async def reply(message: Message):
    return message.reply(f"about: {message.reply_to and message.reply_to.text}")


@router.edited_message()
async def edited(message: EditedMessage):
    return f"You mean {message.text}"


@router.deleted_message()
async def deleted(message: DeletedMessage):
    return "I saw that."


@router.new_chat_members()
async def joined(event: NewChatMembers):
    return f"Welcome, {event.new_members[0].first_name}"


@router.pinned_message()
async def pinned(message: PinnedMessage):
    return f"pinned: {message.text}"


@router.message(F.text)
async def echo(message: Message):
    return message.text
