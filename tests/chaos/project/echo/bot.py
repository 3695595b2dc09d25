"""`<word> <number>` is answered with `<word> <number> <how many this conversation has had>`."""

import asyncio

from vkteams_bot import F, Router
from vkteams_bot.fsm import FSMContext
from vkteams_bot.types import Message

from .models import Visit

router = Router()


def numbered(message: Message, state: FSMContext) -> str:
    count = state.get_value("count", 0) + 1
    state.update_data(count=count)
    return f"{message.text} {count}"


@router.message(F.text.startswith("echo "))
async def echo(message: Message, state: FSMContext):
    return numbered(message, state)


@router.message(F.text.startswith("slow "))
async def slow(message: Message, state: FSMContext):
    await asyncio.sleep(0.03)
    return numbered(message, state)


@router.message(F.text.startswith("rows "))
def rows(message: Message, state: FSMContext):
    Visit.objects.create(chat_id=message.chat.chat_id, number=int((message.text or "").split()[1]))
    text = numbered(message, state)
    return [f"{text} a", f"{text} b"]
