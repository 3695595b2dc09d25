"""Claims: who gets which row, at which cost."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from tests.stores.factories import account
from tests.stores.plans import ROWS, analyze, check, multiply, uuid_of_number
from vkteams_bot.limits import LocalLimiter, Priority, RatePolicy
from vkteams_bot.models import Broadcast, Chat, OutgoingCall
from vkteams_bot.stores import candidates, outbox
from vkteams_bot.stores.candidates import Source
from vkteams_bot.stores.chat_directory import mark_unreachable
from vkteams_bot.stores.outbox import ClaimedCall, Result
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.worker.selection import ThrottledChats, select

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

ALL = tuple(Priority)


def add(*chats: str, **fields: Any) -> list[OutgoingCall]:
    now = timezone.now()
    return OutgoingCall.objects.bulk_create(
        [
            OutgoingCall(
                **{
                    "id": uuid7(),
                    "account": account(),
                    "method": "messages/sendText",
                    "chat_id": chat,
                    "params": {"text": "x", "chatId": chat},
                    "origin": "delayed",
                    "priority": 1,
                    "created_at": now,
                }
                | fields
            )
            for chat in chats
        ],
        batch_size=2_000,
    )


def found(room: int = 100, *, sources: tuple[Source, ...] = (), throttled: tuple[str, ...] = ()) -> list[str]:
    now = timezone.now()
    rows = candidates.candidates(account().pk, now, room=room, priorities=ALL, sources=sources, throttled=throttled)
    return [row.chat_id for row in rows]


BY = "host:1:a"


def claim(room: int = 100, by: str = BY) -> list[ClaimedCall]:
    now = timezone.now()
    with transaction.atomic():
        candidates.lock(account().pk)
        rows = candidates.candidates(account().pk, now, room=room, priorities=ALL, sources=(), throttled=())
        chosen = select(rows, room, LocalLimiter(RatePolicy()), {}, ThrottledChats()).chosen
        return outbox.claim([row.id for row in chosen], by, 30)


def test_what_is_claimed_is_not_claimed_again():
    add("a", "b", "c")
    assert [item.chat_id for item in claim(2)] == ["a", "b"]
    assert [item.chat_id for item in claim()] == ["c"]
    assert claim() == []


def test_not_the_bots_own_nor_those_of_another_account():
    add("a", origin="reply")
    add("b", account=account("other"))
    assert found() == []


def test_a_chat_with_a_row_on_its_way_is_busy():
    add("a", "b")
    claim()
    add("a", "c")
    assert found() == ["c"]
    add("", "")  # what belongs to no chat never waits
    claim(10)
    add("")
    assert found() == [""]


def test_resting_chats_are_left_out():
    add("a", "b")
    assert found(throttled=("a",)) == ["b"]


def test_no_row_overtakes_one_of_its_chat_that_was_put_back():
    first, _ = add("a", "a")
    OutgoingCall.objects.filter(pk=first.pk).update(attempts=1, due_at=timezone.now() + timedelta(hours=1))
    assert found() == []
    OutgoingCall.objects.filter(pk=first.pk).update(due_at=timezone.now())
    (candidate,) = candidates.candidates(account().pk, timezone.now(), room=9, priorities=ALL, sources=(), throttled=())
    assert candidate.id == first.pk


def test_rows_of_broadcasts_by_turns_and_alone():
    def broadcast() -> Broadcast:
        return Broadcast.objects.create(account=account(), name="n", text="t", status="running")

    one, other = broadcast(), broadcast()
    add("a", "b", broadcast=one, origin="broadcast", priority=2)
    add("c", broadcast=other, origin="broadcast", priority=2)
    assert found() == []
    assert sorted(found(sources=(Source(one.pk), Source(other.pk)))) == ["a", "b", "c"]
    assert found(sources=(Source(one.pk, alone=True),)) == ["a"]
    OutgoingCall.objects.filter(chat_id="a").update(status="sending")
    assert found(sources=(Source(one.pk, alone=True),)) == []


def test_results_of_a_claim_that_is_no_longer_ours():
    (row,) = add("a")
    (mine,) = claim()
    later = timezone.now() + timedelta(minutes=5)
    OutgoingCall.objects.filter(pk=row.pk).update(claimed_until=later, claimed_by="another")
    outbox.record([Result(id=mine.id, status="queued", attempts=1)], BY, timezone.now())
    outbox.renew([mine.id], BY, 3600)
    outbox.release(account().pk, BY)
    row.refresh_from_db()
    assert (row.status, row.claimed_until, row.attempts) == ("sending", later, 0)
    outbox.record([Result(id=mine.id, status="sent", msg_id="1", attempts=1)], BY, timezone.now())
    row.refresh_from_db()
    assert (row.status, row.msg_id, row.claimed_until, row.claimed_by) == ("sent", "1", None, "")


def test_attempts_count_up_to_what_the_column_holds():
    (row,) = add("a")
    claim()
    result = Result(id=row.pk, status="queued", attempts=10**6, due_at=timezone.now())
    outbox.record([result], BY, timezone.now())
    row.refresh_from_db()
    assert (row.attempts, row.finished_at) == (outbox.MOST_ATTEMPTS, None)


def test_claims_are_renewed_and_end_by_the_clock_of_the_database():
    row, other = add("a", "b")
    claim(1)
    claim(1, by="another")
    outbox.renew([row.pk, other.pk], BY, 3600)
    row.refresh_from_db()
    other.refresh_from_db()
    assert row.claimed_until is not None
    assert row.claimed_until > timezone.now() + timedelta(seconds=3000)
    assert other.claimed_until is not None
    assert other.claimed_until < timezone.now() + timedelta(seconds=60)


def test_a_claim_whose_commit_was_not_answered_waits_again_or_is_given_again():
    first, second = add("a", "b")
    claim()
    assert [call.id for call in outbox.claim([first.pk, second.pk], BY, 30)] == [first.pk, second.pk]
    assert outbox.claim([first.pk], "another", 30) == []
    outbox.release(account().pk, BY, keep=[second.pk])
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.claimed_until, first.claimed_by) == ("queued", None, "")
    assert second.status == "sending"


def test_unreachable_chats_are_made_or_marked():
    now = timezone.now()
    Chat.objects.create(account=account(), chat_id="known", title="Known", type="private", created_at=now)
    mark_unreachable(account().pk, {"known": "gone", "new": "blocked"}, now)
    marked = Chat.objects.order_by("chat_id").values_list("chat_id", "title", "unreachable_reason")
    assert list(marked) == [("known", "Known", "gone"), ("new", "", "blocked")]


@pytest.mark.django_db(transaction=True)
def test_two_processes_never_get_the_same_row_nor_the_same_chat():
    add(*[f"c{number % 50}" for number in range(200)])
    taken: list[ClaimedCall] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(5):
            taken.extend(claim(7, by=f"host:1:{threading.get_ident()}"))
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({item.id for item in taken}) == len(taken)
    chats = [item.chat_id for item in taken]
    assert len(set(chats)) == len(chats)
    assert len(chats) > 7


def test_no_statement_of_a_lot_reads_the_table_from_end_to_end():
    sent, waiting = add("a", "b", status="sent")
    later = add("c", due_at=timezone.now() + timedelta(days=1))[0]
    varied = {"chat_id": "'c' || (n %% 500)", "priority": "n %% 3"}
    multiply(sent, ROWS, id=uuid_of_number(), **varied)
    multiply(waiting, ROWS // 10, id=uuid_of_number(ROWS), status="'queued'", **varied)
    multiply(later, ROWS // 10, id=uuid_of_number(2 * ROWS), **varied)
    analyze()

    def work() -> None:
        taken = claim()
        assert len(taken) > 50
        outbox.renew([item.id for item in taken], BY, 30)
        outbox.record([Result(id=item.id, status="sent", attempts=1) for item in taken], BY, timezone.now())
        outbox.release(account().pk, BY)
        candidates.due_accounts(timezone.now())
        outbox.recover(resend=False, attempts=5)

    check(work, least=8)
