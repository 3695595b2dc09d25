"""Tests as classes, for `manage.py test` and pytest: the bot of the whole project answers."""

from example_project.orders.bot import OrderForm
from example_project.orders.models import Order
from vkteams_bot.testing import BotTestCase


class OrderFormTests(BotTestCase):
    def setUp(self):
        super().setUp()
        self.alice = self.chat.user("alice@corp")

    def test_three_steps_make_an_order(self):
        self.alice.sends("/order")
        self.assertSees(self.alice.sees, "Step 1 of 3. What would you like to order?")
        self.alice.sends("Tea & <biscuits>")
        self.assertSees(self.alice.sees, "Step 2 of 3. How many of Tea & <biscuits>?")
        self.alice.sends("many")
        self.assertSees(self.alice.sees, "Please write a number from 1 to 1000.")
        self.alice.sends("2")
        self.assertSees(self.alice.sees, "Step 3 of 3. Where shall we bring it?")
        self.alice.sends("Room 7")
        order = Order.objects.get()
        self.assertSees(self.alice.sees, f"Done: order {order.pk}, 2 × Tea & <biscuits> to Room 7.")
        assert (order.customer, order.quantity) == ("alice@corp", 2)
        assert self.alice.state is None

    async def test_cancelling(self):
        await self.alice.sends("/order")
        assert self.alice.state == OrderForm.item
        await self.alice.clicks("Cancel")
        self.assertSees(self.alice.sees, "The order is cancelled.")
        await self.alice.sends("/order")
        await self.alice.sends("/cancel")
        self.assertSees(self.alice.sees, "The order is cancelled.")
        assert self.alice.state is None
        assert not await Order.objects.aexists()

    def test_a_form_is_forgotten_after_a_day(self):
        self.alice.sends("/order")
        self.chat.travel(hours=25)
        self.alice.sends("Tea")
        self.assertSees(self.alice.sees, "Tea")  # the echo's answer: no form is open

    def test_everybody_has_a_form_of_their_own_also_in_a_group(self):
        bob = self.chat.user("bob@corp")
        kitchen = self.chat.group("Kitchen", members=[self.alice, bob])
        self.alice.sends("/order", to=kitchen)
        bob.sends("Tea", to=kitchen)
        self.assertSees(bob.sees, "Tea")
        self.alice.sends("Coffee", to=kitchen)
        self.assertSees(bob.sees, "Step 2 of 3. How many of Coffee?")

    def test_counting(self):
        Order.objects.create(customer="alice@corp", item="Tea", quantity=1, address="Room 7")
        Order.objects.create(customer="bob@corp", item="Coffee", quantity=1, address="Room 8")
        self.alice.sends("/orders")
        self.assertSees(self.alice.sees, "2 orders, 1 of them yours.")
