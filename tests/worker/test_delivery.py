"""What is due is sent once, in order within a chat, and its row says what became of it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from tests.worker.conftest import Office
from vkteams_bot import notify, worker
from vkteams_bot.limits import Priority
from vkteams_bot.models import Chat, ChatMessage, OutgoingCall
from vkteams_bot.models.calls import OutgoingCallQuerySet
from vkteams_bot.signals import outbox_progress
from vkteams_bot.stores import log, outbox
from vkteams_bot.worker import batches, delivery
from vkteams_bot.worker.delivery import Deliverer, DeliveryOptions

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def test_every_row_is_sent_once_and_logged(office: Office):
    texts = [str(number) for number in range(250)]
    office.delay(*texts)

    assert office.deliver() is False

    assert sorted(office.server.texts) == sorted(texts)
    assert set(office.statuses()) == {"sent"}
    rows = OutgoingCall.objects.values_list("params__text", "msg_id", "finished_at", "claimed_until")
    assert all(msg_id == f"m{text}" and finished and not claimed for text, msg_id, finished, claimed in rows)
    assert ChatMessage.objects.filter(direction="out").count() == 250
    assert office.server.threads == {"vkteams-sender"}


def test_nothing_is_sent_twice_by_a_second_delivery(office: Office):
    office.delay("1", "2")
    office.deliver()
    office.deliver()
    assert sorted(office.server.texts) == ["1", "2"]


def test_in_a_chat_the_order_of_writing_holds(office: Office):
    texts = [str(number) for number in range(30)]
    office.delay(*texts, chat_id="a@example.com")
    office.deliver()
    assert office.server.texts == texts


def test_what_was_put_back_is_not_overtaken(office: Office):
    refused: list[str] = []

    def once(chat_id: str, text: str) -> Any:
        if text == "1" and not refused:
            refused.append(text)
            return httpx.Response(429, headers={"retry-after": "0"})
        return {"ok": True, "msgId": text}

    office.server.answer = once
    office.delay("1", "2", "3", chat_id="a@example.com")
    while "queued" in office.statuses():
        office.deliver()

    assert refused == ["1"]
    assert office.server.texts == ["1", "2", "3"]
    assert OutgoingCall.objects.order_by("pk").values_list("attempts", flat=True)[0] == 2


def test_higher_priorities_go_first(office: Office):
    office.delay("bulk", priority=Priority.BULK)
    office.delay("notification")
    office.delay("reply", priority=Priority.REPLY)
    Deliverer(office.account_id, DeliveryOptions(in_flight=1)).run(office.bot, bulk=True)
    assert office.server.texts == ["reply", "notification", "bulk"]


def test_the_reply_queue_leaves_bulk_alone(office: Office):
    office.delay("bulk", priority=Priority.BULK)
    office.deliver(bulk=False)
    assert office.statuses() == ["queued"]
    assert office.notices[0].queue == "vkteams.bulk"


def test_nothing_is_sent_before_it_is_due(office: Office):
    office.delay("later", at=timedelta(hours=1))
    office.delay("past", at=timezone.now() - timedelta(seconds=1))
    office.deliver()
    assert office.server.texts == ["past"]
    OutgoingCall.objects.filter(status="queued").update(due_at=timezone.now())
    office.deliver()
    assert office.server.texts == ["past", "later"]


OUTCOMES: list[tuple[Any, str, str]] = [
    ({"ok": False, "description": "Bad request"}, "failed", "Bad request"),
    (httpx.ReadTimeout("slow"), "unknown", "no answer"),
    (httpx.ConnectError("refused"), "queued", "could not connect"),
    ({"ok": False, "description": "Ratelimit"}, "queued", "Ratelimit"),
    ({"ok": False, "description": "Invalid token"}, "queued", "Invalid token"),
    ({"ok": False, "description": "Server error: id=0x1"}, "unknown", "Server error"),
]


@pytest.mark.parametrize(("answer", "status", "error"), OUTCOMES)
def test_the_row_says_what_became_of_it(office: Office, answer: Any, status: str, error: str):
    office.server.answer = lambda chat_id, text: answer
    before = timezone.now()
    (key,) = office.delay("1")
    office.deliver(seconds=0.3)
    row = OutgoingCall.objects.get(pk=key)
    assert (row.status, error in row.error) == (status, True)
    assert row.attempts == 1
    assert (row.finished_at is None) == (status == "queued")
    if status == "queued":
        assert row.due_at is not None
        assert row.due_at > before
    else:
        assert office.server.texts == ["1"]


def test_unknown_is_sent_again_where_the_settings_say_so(office: Office, settings: Any):
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "ON_UNKNOWN": "resend"}
    office.server.answer = lambda chat_id, text: httpx.ReadTimeout("slow")
    office.delay("1")
    office.deliver()
    assert office.statuses() == ["queued"]


def test_a_server_that_is_away_is_tried_by_one_call_not_by_all(office: Office):
    office.server.answer = lambda chat_id, text: httpx.ConnectError("refused")
    office.delay(*[str(number) for number in range(300)])
    assert office.deliver() is False
    assert len(office.server.received) < 150
    assert set(office.statuses()) == {"queued"}


def test_a_row_that_cannot_be_read_fails_alone(office: Office):
    good, unknown, garbage = office.delay("good", "unknown", "garbage")
    OutgoingCall.objects.filter(pk=unknown).update(method="messages/sing")
    OutgoingCall.objects.filter(pk=garbage).update(params=[1])
    office.deliver()
    rows = OutgoingCall.objects.in_bulk()
    assert rows[good].status == "sent"
    for key in (unknown, garbage):
        assert rows[key].status == "failed"
        assert "cannot be sent" in rows[key].error


@pytest.mark.parametrize(
    ("description", "marked"),
    [("Invalid chatId", True), ("Permission denied", True), ("Invalid file", False), ("msgId not found", False)],
)
def test_who_cannot_be_reached_is_marked(office: Office, description: str, marked: bool):
    office.server.answer = lambda chat_id, text: {"ok": False, "description": description}
    office.delay("1", chat_id="gone@example.com")
    office.deliver()
    assert office.statuses() == ["failed"]
    reasons = dict(Chat.objects.filter(unreachable_at__isnull=False).values_list("chat_id", "unreachable_reason"))
    assert reasons == ({"gone@example.com": description} if marked else {})


def test_a_second_delivery_in_the_process_joins_the_first(office: Office):
    started, go_on = threading.Event(), threading.Event()

    def slowly(chat_id: str, text: str) -> Any:
        started.set()
        assert go_on.wait(10)
        return {"ok": True, "msgId": text}

    office.server.answer = slowly
    office.delay("1")
    deliverer = delivery.deliverers.of(office.account_id)
    joined: list[bool] = []

    def join() -> None:
        assert started.wait(10)
        joined.append(deliverer.run(office.bot, bulk=True))
        go_on.set()

    helper = threading.Thread(target=join)
    helper.start()
    office.delay("bulk", priority=Priority.BULK)
    office.deliver(bulk=False)
    helper.join()
    assert joined == [False]
    assert office.server.texts == ["1", "bulk"]  # it took over what the other one was asked to do


def test_a_full_process_asks_another_for_help_once(office: Office):
    office.delay(*[str(number) for number in range(10)])
    office.notices.clear()
    Deliverer(office.account_id, DeliveryOptions(in_flight=3)).run(office.bot, bulk=False)
    assert [(message.task, message.args) for message in office.notices] == [
        ("vkteams_bot.deliver", (office.account_id, False))
    ]


def test_time_is_up_and_more_is_due(office: Office):
    office.delay("1")
    assert office.deliver(seconds=0) is True
    assert office.statuses() == ["queued"]


def test_turns_come_from_the_limiter(office: Office, monkeypatch: pytest.MonkeyPatch):
    bot = office.bot
    taken: list[int] = []
    take = bot.limiter.take

    def spy(count: int, *args: Any) -> Any:
        granted = take(min(count, 2), *args)
        taken.append(granted.count)
        return granted

    monkeypatch.setattr(bot.limiter, "take", spy)
    office.delay("1", "2", "3", "4", "5")
    office.deliver()
    assert sum(taken) == 5
    assert max(taken) == 2
    assert set(office.statuses()) == {"sent"}


def test_turns_of_what_cannot_be_sent_are_given_back(office: Office, monkeypatch: pytest.MonkeyPatch):
    given_back: list[int] = []
    give_back = office.bot.limiter.give_back

    def counted(count: int, *args: Any) -> None:
        given_back.append(count)
        give_back(count, *args)

    monkeypatch.setattr(office.bot.limiter, "give_back", counted)
    first, _ = office.delay("1", "2")
    OutgoingCall.objects.filter(pk=first).update(method="messages/unheardOf")
    office.deliver()
    assert (office.statuses(), given_back) == (["failed", "sent"], [1])


def test_a_chat_at_its_limit_rests_and_others_go_on(office: Office, settings: Any):
    default = settings.VKTEAMS_BOT["BOTS"]["default"]
    settings.VKTEAMS_BOT = {"BOTS": {"default": {**default, "CHAT_RATE_LIMIT": 4.0}}}
    office.delay("1", "2", chat_id="a@example.com")
    office.delay("3")
    office.deliver()
    assert office.server.texts == ["1", "3", "2"] or office.server.texts == ["3", "1", "2"]


def test_claims_are_renewed_while_a_call_is_on_its_way(office: Office, settings: Any, monkeypatch: pytest.MonkeyPatch):
    settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "CLAIM_SECONDS": 0.5}
    seen: set[Any] = set()
    write = batches.Batches.write

    def look(self: Any, completed: Any, flying: Any, **options: Any) -> Any:
        seen.update(OutgoingCall.objects.sending().values_list("claimed_until", flat=True))
        if len(seen) > 2:
            go_on.set()
        return write(self, completed, flying, **options)

    go_on = threading.Event()
    monkeypatch.setattr(batches.Batches, "write", look)
    office.server.answer = lambda chat_id, text: {"ok": go_on.wait(10), "msgId": text}
    office.delay("1")
    Deliverer(office.account_id, DeliveryOptions(look=0.02)).run(office.bot, bulk=False)
    assert office.statuses() == ["sent"]
    assert len(seen) > 2


def test_a_sent_call_stands_as_sent_also_when_its_claim_had_ended(office: Office):
    def swept(chat_id: str, text: str) -> Any:
        return {"ok": True, "msgId": text}

    office.server.answer = swept
    (key,) = office.delay("1")
    write = batches.Batches.write

    def sweep_first(self: Any, completed: Any, flying: Any, **options: Any) -> Any:
        if completed:
            OutgoingCall.objects.filter(pk=key).update(status="unknown", claimed_until=None)
        return write(self, completed, flying, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches.Batches, "write", sweep_first)
        office.deliver()
    assert office.statuses() == ["sent"]


def test_siblings_are_told(office: Office):
    told: list[tuple[int, frozenset[int]]] = []

    def listen(sender: Any, account_id: int, broadcast_ids: frozenset[int], **_: Any) -> None:
        told.append((account_id, broadcast_ids))

    outbox_progress.connect(listen)
    try:
        office.delay("1")
        office.deliver()
    finally:
        outbox_progress.disconnect(listen)
    assert told == [(office.account_id, frozenset())]


def test_a_call_of_any_method(office: Office):
    office.server.answer = lambda chat_id, text: {"ok": True, "userId": "1", "nick": "test_bot", "firstName": "Test"}
    office.bot.set_chat_title("1@chat.agent", "Title").delay()
    office.bot.get_me().delay()
    office.deliver()
    assert office.statuses() == ["sent", "sent"]
    assert not ChatMessage.objects.exists()


def test_a_chat_log_that_cannot_be_written_costs_no_result(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: Any
):
    def broken(*_: Any) -> None:
        raise RuntimeError("no log today")

    monkeypatch.setattr(log, "write", broken)
    office.delay("1", "2")
    office.deliver()
    assert office.statuses() == ["sent", "sent"]
    assert "could not be logged" in caplog.text


def test_what_was_sent_and_cannot_be_recorded_is_not_sent_again(office: Office, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: Any) -> None:
        raise RuntimeError("no result today")

    first, second = office.delay("1", "2")
    OutgoingCall.objects.filter(pk=second).update(due_at=timezone.now() + timedelta(hours=1))
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "record", broken)
        with pytest.raises(RuntimeError):
            office.deliver()
    OutgoingCall.objects.filter(pk=second).update(due_at=None)
    office.deliver()
    assert office.server.texts == ["1", "2"]
    assert office.statuses() == ["sending", "sent"]

    OutgoingCall.objects.filter(pk=first).update(claimed_until=timezone.now() - timedelta(seconds=1))
    worker.sweep()
    assert office.statuses() == ["unknown", "sent"]


def on_its_way_elsewhere(office: Office) -> OutgoingCallQuerySet:
    """A row that another process sends."""
    row = OutgoingCall.objects.filter(pk__in=office.delay("elsewhere"))
    row.update(status="sending", claimed_by="elsewhere", claimed_until=timezone.now() + timedelta(seconds=30))
    return row


def test_a_wake_up_at_the_very_end_is_not_lost(office: Office):
    office.delay("1")
    on_its_way_elsewhere(office)  # so this run would not hand on
    deliverer = delivery.deliverers.of(office.account_id)
    joined: list[bool] = []

    def stopped_while_another_comes() -> bool:
        if office.server.texts and not joined:
            joined.append(deliverer.run(office.bot, bulk=False, seconds=1))
        return bool(joined)

    assert deliverer.run(office.bot, bulk=False, seconds=5, stop=stopped_while_another_comes) is True
    assert joined == [False]


@pytest.mark.parametrize("ended_first", [True, False])
def test_of_runs_whose_time_is_up_the_last_hands_on(office: Office, ended_first: bool):
    office.delay("1")
    other = on_its_way_elsewhere(office)

    def stopped_after_the_first() -> bool:
        if office.server.texts and ended_first:
            other.update(status="sent")
        return bool(office.server.texts)

    deliverer = delivery.deliverers.of(office.account_id)
    assert deliverer.run(office.bot, bulk=False, seconds=5, stop=stopped_after_the_first) is ended_first


def test_while_a_run_waits_for_its_last_answers_others_are_asked_to_go_on(office: Office):
    asked = threading.Event()

    def slowly(chat_id: str, text: str) -> Any:
        return {"ok": asked.wait(10), "msgId": text}

    def stopped_when_it_has_left() -> bool:
        return bool(OutgoingCall.objects.sending())

    def told(message: Any) -> None:
        notices.append((message.args, message.expires))
        asked.set()

    notices: list[Any] = []
    office.server.answer = slowly
    office.delay("1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notify, "publish", told)
        worker.deliver(office.account_id, bulk=False, stop=stopped_when_it_has_left)
    assert notices == [((office.account_id, False), DeliveryOptions().help)]
    assert office.statuses() == ["sent"]
