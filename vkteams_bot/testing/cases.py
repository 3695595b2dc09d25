"""For tests as classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.test import SimpleTestCase, TestCase

from vkteams_bot.registry import DEFAULT_ALIAS
from vkteams_bot.routing import Router
from vkteams_bot.testing.messenger import Chat
from vkteams_bot.testing.seen import Seen


class BotTestMixin(SimpleTestCase):
    """`self.chat` is a new Chat for each test. Put it before a test class of Django that has a database."""

    alias = DEFAULT_ALIAS
    routers: Sequence[Router] | None = None
    behaviour: Mapping[str, Any] = {}
    chat: Chat

    def setUp(self) -> None:
        super().setUp()
        self.chat = Chat(self.alias, routers=self.routers, behaviour=self.behaviour)
        self.addCleanup(self.chat.close)

    def assertSees(self, seen: Seen, expected: str) -> None:
        """Fails with the conversation."""
        if seen != expected:
            self.fail("\n".join([f"{str(seen)!r} != {expected!r}", "The conversation:", *seen.transcript()]))


class BotTestCase(BotTestMixin, TestCase):
    """A Django TestCase with `self.chat`."""
