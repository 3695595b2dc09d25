"""Commands, buttons and an echo."""

from html import escape

from vkteams_bot import F, Router
from vkteams_bot.filters import CallbackData, Command
from vkteams_bot.keyboards import ButtonStyle, InlineKeyboardBuilder
from vkteams_bot.types import CallbackQuery, Message

router = Router()

HELP = """I am the example bot. Try:
/buttons - a message with buttons
/order - a form in three steps that survives a crash
/cancel - leave the form
/orders - how many orders there are
/fail - a handler that raises: see the update in the admin
or write anything, and I will echo it."""


@router.message(Command("start"))
async def start(message: Message):
    """Say hello"""
    name = message.from_user.full_name if message.from_user else "everybody"  # a channel's posts have no author
    await message.answer(f"Hello, <b>{escape(name)}</b>!")
    return HELP


@router.message(Command("help"))
async def send_help(message: Message):
    """What this bot can do"""
    return HELP


@router.message(Command("buttons"))
async def buttons(message: Message):
    """A message with buttons"""
    keyboard = (
        InlineKeyboardBuilder()
        .button("Tea", callback_data="drink:tea", style=ButtonStyle.PRIMARY)
        .button("Coffee", callback_data="drink:coffee")
        .button("Nothing", callback_data="drink:nothing", style=ButtonStyle.ATTENTION)
        .button("VK Teams", url="https://teams.vk.com/")
        .adjust(2)
    )
    return message.answer("What would you like to drink?", inline_keyboard_markup=keyboard)


@router.callback_query(CallbackData("drink:nothing"))
async def no_drink(query: CallbackQuery):
    return query.answer("As you wish.", show_alert=True)


@router.callback_query(F.callback_data.startswith("drink:"))
async def drink(query: CallbackQuery):
    name = query.callback_data.partition(":")[2]
    replies = [query.answer(f"One {name}, coming up!")]
    if query.message is not None:
        replies.append(query.message.edit_text(f"You chose <b>{escape(name)}</b>."))
    return replies


@router.message(Command("fail"))
async def fail(message: Message):
    """A handler that raises"""
    raise RuntimeError("this handler fails on purpose")


@router.message(F.text)
async def echo(message: Message):
    return escape(message.text or "")
