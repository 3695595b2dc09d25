"""`.delay()` writes in the caller's transaction, and tells a worker when that is committed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.test import override_settings
from django.utils import timezone

from tests.api.fakes import FakeTransport, answer, bot_over
from vkteams_bot import bot, notify
from vkteams_bot.api import Bot, Delayed, DelayNeverAwaited, InputFile
from vkteams_bot.api.types import ParseMode
from vkteams_bot.exceptions import ConfigurationError, InvalidCall
from vkteams_bot.limits import Priority
from vkteams_bot.models import BotAccount, OutgoingCall
from vkteams_bot.notify import TaskMessage
from vkteams_bot.stores.accounts import account_of
from vkteams_bot.worker import DatabaseOutbox

pytestmark = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]

CHAT = "a@example.com"


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[TaskMessage]]:
    found: list[TaskMessage] = []
    monkeypatch.setattr(notify, "publish", found.append)
    yield found
    gc.collect()


def texts() -> list[str]:
    return [params["text"] for params in OutgoingCall.objects.order_by("pk").values_list("params", flat=True)]


def test_a_row_stands_before_the_bot_has_ever_run(notices: list[TaskMessage]):
    delayed = bot.send_text(CHAT, "hello").delay()
    row = OutgoingCall.objects.get()
    assert (row.pk, row.chat_id, row.method) == (delayed.id, CHAT, "messages/sendText")
    assert (row.status, row.origin, row.priority, row.due_at) == ("queued", "delayed", 1, None)
    # The identity with which the token ends, so that the bot's first run finds it.
    assert (row.account.alias, row.account.user_id) == ("default", "1000000001")
    assert notices == [TaskMessage("vkteams_bot.deliver", (row.account_id, False), "vkteams.reply")]


def test_a_replaced_token_writes_for_its_own_bot_before_that_has_ever_run():
    """Its rows went to the bot before, and were sent in its name."""
    old = BotAccount.objects.create(alias="default", user_id="1000000001")
    new = BotAccount.objects.create(alias="default", user_id="2")
    BotAccount.objects.create(alias="other", user_id="1000000001")

    def account_for(token: str) -> int:
        return account_of(Bot(token, "http://example.com/bot/v1"))

    assert account_for("001.1.2:1000000001") == old.pk
    third = account_for("001.1.2:3")
    assert third not in (old.pk, new.pk)
    assert account_for("001.1.2:3") == third
    assert account_for("a token without an id") == third, "it says nothing: the last that ran"


def test_rolled_back_is_never_sent(notices: list[TaskMessage]):
    class Changed(Exception):
        pass

    def view() -> None:
        with transaction.atomic():
            bot.send_text(CHAT, "hello").delay()
            raise Changed

    with pytest.raises(Changed):
        view()
    assert not OutgoingCall.objects.exists()
    assert notices == []


def test_one_wake_up_per_transaction_and_queue(notices: list[TaskMessage]):
    with transaction.atomic():
        for number in range(3):
            bot.send_text(CHAT, str(number)).delay()
            with transaction.atomic():
                bot.send_text(CHAT, f"{number} nested").delay(priority=Priority.BULK)
        assert notices == []
    assert [message.queue for message in notices] == ["vkteams.reply", "vkteams.bulk"]
    assert len(texts()) == 6


def test_a_savepoint_that_is_undone_takes_its_wake_up_with_it(notices: list[TaskMessage]):
    def undone() -> None:
        with transaction.atomic():
            bot.send_text(CHAT, "undone").delay()
            raise LookupError

    with transaction.atomic(), contextlib.suppress(LookupError):
        undone()
    assert notices == []
    with transaction.atomic():
        with contextlib.suppress(LookupError):
            undone()
        bot.send_text(CHAT, "kept").delay()
    assert len(notices) == 1
    assert texts() == ["kept"]


def test_no_wake_up_for_what_is_due_later(notices: list[TaskMessage]):
    later = timezone.now() + timedelta(hours=1)
    bot.send_text(CHAT, "1").delay(at=later)
    bot.send_text(CHAT, "2").delay(at=timedelta(hours=1))
    first, second = OutgoingCall.objects.order_by("pk").values_list("due_at", flat=True)
    assert first == later
    assert second is not None
    assert abs((second - later).total_seconds()) < 30
    assert notices == []
    bot.send_text(CHAT, "3").delay(at=datetime(2020, 1, 1, tzinfo=UTC))
    assert len(notices) == 1


def test_a_naive_moment_is_refused():
    with pytest.raises(InvalidCall, match="time zone"):
        bot.send_text(CHAT, "1").delay(at=datetime(2030, 1, 1))
    assert not OutgoingCall.objects.exists()


def test_many_at_once(notices: list[TaskMessage], django_assert_max_num_queries: Any):
    BotAccount.objects.create(alias="default", user_id="1000000001")
    calls = (bot.send_text(f"{number}@example.com", str(number)) for number in range(500))
    with django_assert_max_num_queries(4):
        delayed = bot.delay_many(calls)
    assert len(delayed.ids) == 500
    assert list(delayed.ids) == sorted(delayed.ids)
    assert texts() == [str(number) for number in range(500)]
    assert len(notices) == 1
    with pytest.raises(ValueError, match="too many"):
        _ = delayed.id


def test_many_are_all_or_none(notices: list[TaskMessage]):
    with pytest.raises(InvalidCall, match="stored first"):
        bot.delay_many([bot.send_text(CHAT, "1"), bot.send_file(CHAT, InputFile(bytes(2**21), filename="x"))])
    assert not OutgoingCall.objects.exists()
    assert bot.delay_many([]).ids == ()
    assert notices == []


def test_the_parse_mode_of_the_bot_is_kept():
    formatted = bot_over(FakeTransport(answer()), parse_mode=ParseMode.HTML)
    formatted.outbox = DatabaseOutbox()
    formatted.send_text(CHAT, "<b>1</b>").delay()
    assert OutgoingCall.objects.get().params["parseMode"] == "HTML"


def test_in_async_code_it_is_awaited(notices: list[TaskMessage]):
    async def view() -> Delayed:
        pending = bot.send_text(CHAT, "hello").delay()
        assert not pending.is_written
        with pytest.raises(RuntimeError, match="await"):
            _ = pending.ids
        await pending
        await sync_to_async(connections.close_all)()
        return pending

    delayed = asyncio.run(view())
    assert OutgoingCall.objects.get().pk == delayed.id
    assert isinstance(delayed.id, UUID)
    assert len(notices) == 1


def test_in_async_code_a_dropped_one_warns_and_nothing_is_written():
    async def view() -> None:
        bot.send_text(CHAT, "hello").delay()
        gc.collect()

    with pytest.warns(DelayNeverAwaited, match=r"await \.delay\(\)"):
        asyncio.run(view())
    assert not OutgoingCall.objects.exists()


def test_awaiting_what_is_written_changes_nothing():
    delayed = bot.send_text(CHAT, "hello").delay()

    async def again() -> Delayed:
        return await delayed

    assert asyncio.run(again()) is delayed
    assert OutgoingCall.objects.count() == 1


def test_a_bot_without_django_says_what_to_do():
    with pytest.raises(ConfigurationError, match="INSTALLED_APPS"):
        bot_over(FakeTransport(answer())).send_text(CHAT, "t").delay()


def test_queues_are_those_of_the_settings(notices: list[TaskMessage], settings: Any):
    with override_settings(VKTEAMS_BOT={**settings.VKTEAMS_BOT, "REPLY_QUEUE": "fast", "BULK_QUEUE": "slow"}):
        bot.send_text(CHAT, "1").delay()
        bot.send_text(CHAT, "1").delay(priority=Priority.BULK)
    assert [message.queue for message in notices] == ["fast", "slow"]


def test_suppressed(notices: list[TaskMessage]):
    with notify.suppressed():
        bot.send_text(CHAT, "1").delay()
    assert texts() == ["1"]
