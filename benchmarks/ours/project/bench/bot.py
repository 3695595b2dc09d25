"""The same handler as every peer's: set FSM data, answer with the text."""

from vkteams_bot import Router
from vkteams_bot.fsm import FSMContext
from vkteams_bot.types import Message

router = Router()


@router.message()
async def echo(message: Message, state: FSMContext) -> str:
    await state.update_data(n=message.text)
    return message.text or ""
