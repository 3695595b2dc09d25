"""Chat: a messenger in memory, its people, and one bot of the project that really runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, Self

from django.db.models import Model, QuerySet

from vkteams_bot.api import Bot
from vkteams_bot.emulator.chat import ChatType
from vkteams_bot.emulator.faults import Fault, parse_short
from vkteams_bot.emulator.world import World
from vkteams_bot.models import OutgoingCall, Update
from vkteams_bot.registry import DEFAULT_ALIAS
from vkteams_bot.routing import Router
from vkteams_bot.testing.act import Act, in_coroutine
from vkteams_bot.testing.group import Group
from vkteams_bot.testing.journal import Journal
from vkteams_bot.testing.line import Line
from vkteams_bot.testing.person import Person


class Chat:
    """Use it as a context manager or `close` it. All of it belongs to the thread and the transaction of one test.

    `routers`: instead of those of the project. `behaviour`: switches of the emulator (docs/emulator.md).
    """

    def __init__(
        self,
        alias: str = DEFAULT_ALIAS,
        *,
        routers: Sequence[Router] | None = None,
        behaviour: Mapping[str, Any] | None = None,
    ) -> None:
        self.alias = alias
        self.line = Line(alias, routers, behaviour or {})
        self.journal = Journal(self.world)
        self._expected: list[AssertionError] | None = None
        self._acts: list[Act] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.close(check=kind is None)

    def close(self, *, check: bool = True) -> None:
        """Raises AssertionError when a coroutine did not await what somebody did, and what shutdown hooks raise."""
        self.line.close()
        if check:
            self.check_awaited()

    @property
    def world(self) -> World:
        """For what has no verb here. It may be changed only while the bot is idle."""
        return self.line.world

    @property
    def bot(self) -> Bot:
        """The bot as the project's code has it."""
        return self.line.bot

    @property
    def updates(self) -> QuerySet[Update]:
        """What the bot received, in order."""
        return Update.objects.filter(account=self.line.account_id).order_by("pk")

    @property
    def calls(self) -> QuerySet[OutgoingCall]:
        """The outbox: what the bot returned from handlers or queued, in order."""
        return OutgoingCall.objects.filter(account=self.line.account_id).order_by("pk")

    def user(
        self, user_id: str, first_name: str | None = None, last_name: str | None = None, nick: str | None = None
    ) -> Person:
        """A person, by default named as the e-mail address begins."""
        name = first_name or user_id.partition("@")[0].title()
        return Person(self, self.world.add_user(user_id, name, last_name, nick))

    def group(
        self,
        title: str,
        members: Iterable[Person] = (),
        *,
        admins: Iterable[Person] = (),
        bot: Literal["member", "admin", "absent"] = "member",
    ) -> Group:
        return self._create("group", title, members, admins, bot)

    def channel(
        self,
        title: str,
        members: Iterable[Person] = (),
        *,
        admins: Iterable[Person] = (),
        bot: Literal["member", "admin", "absent"] = "admin",
    ) -> Group:
        return self._create("channel", title, members, admins, bot)

    def settle(self) -> Act:
        """Let the bot do what waits: calls that a view queued, updates that an operator retried."""
        return self.act("the bot settles", lambda: None, list)

    def travel(self, *, models: Sequence[type[Model]] = (), **duration: float) -> Act:
        """Let time pass: `chat.travel(minutes=31)`, in the units of timedelta; then the bot does what is due.

        All that this app has stored, and the rows of `models`, become so much older; the clocks of the bot's loop and
        of the server move on. `timezone.now()` does not.
        """
        seconds = timedelta(**duration).total_seconds()
        return self.act(
            f"{timedelta(**duration)} pass", lambda: None, list, before=lambda: self.line.travel(seconds, models)
        )

    def faults(self, *faults: str | Fault) -> None:
        """From now on the server has these faults instead of those before: `502@messages/sendText:0.5#3`, or none."""
        self.line.faults.replace([parse_short(fault) if isinstance(fault, str) else fault for fault in faults])

    @contextlib.contextmanager
    def errors_expected(self) -> Iterator[list[AssertionError]]:
        """Collect what would fail the test: HandlerFailed, CallRefused, NotSettled. None at all is a failure, too."""
        expected, self._expected = self._expected, []
        try:
            yield self._expected
            if not self._expected:
                raise AssertionError("no handler failed, and nothing that the bot sent was refused")
        finally:
            self._expected = expected

    def act(
        self,
        what: str,
        change: Callable[[], object],
        transcript: Callable[[], list[str]],
        before: Callable[[], object] | None = None,
    ) -> Act:
        """Change the world and let the bot react: now, or when a coroutine awaits it. `before` runs in this thread."""

        __tracebackhide__ = True

        def happen() -> None:
            __tracebackhide__ = True
            if before is not None:
                before()
            self._report(self.line.exchange(change), transcript)

        act = Act(what, happen, self.line.home)
        if in_coroutine():
            self._acts.append(act)
        else:
            act.happen()
        return act

    def check_awaited(self) -> None:
        """Raises AssertionError."""
        self._acts = [act for act in self._acts if not act.happened]
        if self._acts:
            forgotten, self._acts = self._acts, []
            raise AssertionError(f"a coroutine did not await this: {', '.join(map(str, forgotten))}")

    def _create(
        self, kind: ChatType, title: str, members: Iterable[Person], admins: Iterable[Person], bot: str
    ) -> Group:
        bot_id = [self.line.account.user_id]
        people = [person.user_id for person in members] + (bot_id if bot == "member" else [])
        leaders = [person.user_id for person in admins] + (bot_id if bot == "admin" else [])
        return Group(self.world, self.world.create_chat(kind, title, people, leaders).chat_id)

    def _report(self, failures: list[AssertionError], transcript: Callable[[], list[str]]) -> None:
        __tracebackhide__ = True
        if self._expected is not None:
            self._expected += failures
        elif failures:
            failures[0].add_note("\n".join(["The conversation:", *transcript()]))
            raise failures[0]
