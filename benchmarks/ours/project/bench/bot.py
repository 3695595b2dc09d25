"""The same handler as every peer's: set FSM data, answer with the text."""

from measuring import burst_cases, client_cases

from vkteams_bot import Router, bot
from vkteams_bot.fsm import FSMContext
from vkteams_bot.types import Message

router = Router()
cases = burst_cases()


@router.message()
async def echo(message: Message, state: FSMContext) -> str | None:
    if cases:
        await client_cases(bot.send_text, cases)
        return None
    await state.update_data(n=message.text)
    return message.text or ""
