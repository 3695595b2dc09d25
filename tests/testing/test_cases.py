"""The kit for tests as classes."""

import pytest
from django.test import TransactionTestCase

from tests.testing.bot import Form, router
from vkteams_bot.models import Update
from vkteams_bot.testing import BotTestCase, BotTestMixin


@pytest.mark.orm
class Dialogs(BotTestCase):
    routers = (router,)

    def setUp(self):
        super().setUp()
        self.alice = self.chat.user("alice@corp")
        self.alice.sends("/start")

    def test_plain(self):
        self.assertSees(self.alice.sees, "Hello!")
        assert Update.objects.count() == 1

    async def test_coroutine(self):
        assert self.alice.sees == "Hello!"
        await self.alice.sends("/name")
        assert self.alice.state == Form.name
        assert await Update.objects.acount() == 2

    def test_a_failure_shows_the_conversation(self):
        with pytest.raises(AssertionError, match="'Hello!' != 'Bye'\nThe conversation:\n  alice@corp: /start"):
            self.assertSees(self.alice.sees, "Bye")


@pytest.mark.orm
class WithoutTransaction(BotTestMixin, TransactionTestCase):
    routers = (router,)
    behaviour = {"ghost_twin": False}

    def test_plain(self):
        alice = self.chat.user("alice@corp")
        alice.sends("helo")
        alice.deletes()
        assert alice.sees == "I saw that."
        assert Update.objects.count() == 2
