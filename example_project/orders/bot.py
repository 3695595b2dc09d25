"""An order form in three steps, kept in FSM state: kill the bot in the middle and go on."""

from html import escape

from example_project.orders.models import Order
from vkteams_bot import F, Router
from vkteams_bot.filters import CallbackData, Command, StateFilter
from vkteams_bot.fsm import FSMContext, State, StatesGroup
from vkteams_bot.keyboards import ButtonStyle, InlineKeyboardBuilder
from vkteams_bot.types import CallbackQuery, Message

router = Router()
NOT_A_COMMAND = ~F.text.startswith("/")


class OrderForm(StatesGroup):
    item = State()
    quantity = State()
    address = State()


@router.message(Command("cancel"), StateFilter(OrderForm))
async def cancel(message: Message, state: FSMContext):
    """Leave the form"""
    await state.clear()
    return "The order is cancelled."


@router.callback_query(CallbackData("order:cancel"))
async def cancel_by_button(query: CallbackQuery, state: FSMContext):
    await state.clear()
    return [query.answer(), "The order is cancelled."]


def customer_of(message: Message) -> str:
    """Whoever wrote; in a channel nobody has, and the channel orders."""
    return message.from_user.user_id if message.from_user else message.chat.chat_id


@router.message(Command("orders"))
def count(message: Message):
    """How many orders there are

    A plain function: it runs in a thread, so the ORM just works.
    """
    mine = Order.objects.filter(customer=customer_of(message)).count()
    return f"{Order.objects.count()} orders, {mine} of them yours."


@router.message(Command("order"))
async def begin(message: Message, state: FSMContext):
    """Fill in the form"""
    await state.set_data({})
    await state.set_state(OrderForm.item)
    keyboard = InlineKeyboardBuilder().button("Cancel", callback_data="order:cancel", style=ButtonStyle.ATTENTION)
    return message.answer("Step 1 of 3. What would you like to order?", inline_keyboard_markup=keyboard)


@router.message(OrderForm.item, NOT_A_COMMAND)
async def take_item(message: Message, state: FSMContext):
    item = (message.text or "").strip()
    if not 1 <= len(item) <= 200:
        return "Please name the thing in at most 200 characters."
    await state.update_data(item=item)
    await state.set_state(OrderForm.quantity)
    return f"Step 2 of 3. How many of <b>{escape(item)}</b>?"


@router.message(OrderForm.quantity, NOT_A_COMMAND)
async def take_quantity(message: Message, state: FSMContext):
    text = (message.text or "").strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 1000 and len(text) <= 4):
        return "Please write a number from 1 to 1000."
    await state.update_data(quantity=int(text))
    await state.set_state(OrderForm.address)
    return "Step 3 of 3. Where shall we bring it?"


@router.message(OrderForm.address, NOT_A_COMMAND)
async def take_address(message: Message, state: FSMContext):
    address = (message.text or "").strip()
    if not 1 <= len(address) <= 500:
        return "Please write an address in at most 500 characters."
    data = await state.get_data()
    order = await Order.objects.acreate(
        customer=customer_of(message), item=data["item"], quantity=data["quantity"], address=address
    )
    await state.clear()
    return f"Done: order {order.pk}, {order.quantity} × <b>{escape(order.item)}</b> to {escape(order.address)}."
