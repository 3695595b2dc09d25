"""Claims: who gets which row, at which cost."""

from __future__ import annotations

import re
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from tests.stores.factories import account
from tests.stores.test_plans import plan_of
from vkteams_bot.limits import LocalLimiter, Priority, RatePolicy
from vkteams_bot.models import Broadcast, Chat, OutgoingCall
from vkteams_bot.stores import claims, queue, results
from vkteams_bot.stores.claims import Claim, Source
from vkteams_bot.stores.results import Result
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.worker.selection import ThrottledChats, pick

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
                    "sender": "worker",
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
    rows = claims.candidates(account().pk, now, room=room, priorities=ALL, sources=sources, throttled=throttled)
    return [row.chat_id for row in rows]


def claim(room: int = 100, *, until: datetime | None = None) -> list[Claim]:
    now = timezone.now()
    with transaction.atomic():
        claims.lock(account().pk)
        rows = claims.candidates(account().pk, now, room=room, priorities=ALL, sources=(), throttled=())
        chosen = pick(rows, room, LocalLimiter(RatePolicy()), {}, ThrottledChats()).chosen
        return claims.take(chosen, until or now + timedelta(seconds=30))


def test_what_is_claimed_is_not_claimed_again():
    add("a", "b", "c")
    assert [item.chat_id for item in claim(2)] == ["a", "b"]
    assert [item.chat_id for item in claim()] == ["c"]
    assert claim() == []


def test_not_the_bots_own_nor_those_of_another_account():
    add("a", sender="bot")
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
    (candidate,) = claims.candidates(account().pk, timezone.now(), room=9, priorities=ALL, sources=(), throttled=())
    assert candidate.id in (first.pk, first.pk.hex)


def test_rows_of_broadcasts_by_turns_and_alone():
    def broadcast() -> Broadcast:
        return Broadcast.objects.create(account=account(), name="n", text="t", status="running")

    one, other = broadcast(), broadcast()
    add("a", "b", broadcast=one, priority=2)
    add("c", broadcast=other, priority=2)
    assert found() == []
    assert sorted(found(sources=(Source(one.pk), Source(other.pk)))) == ["a", "b", "c"]
    assert found(sources=(Source(one.pk, alone=True),)) == ["a"]
    OutgoingCall.objects.filter(chat_id="a").update(status="sending")
    assert found(sources=(Source(one.pk, alone=True),)) == []


def test_results_of_a_claim_that_is_no_longer_ours():
    (row,) = add("a")
    (mine,) = claim()
    later = timezone.now() + timedelta(minutes=5)
    OutgoingCall.objects.filter(pk=row.pk).update(claimed_until=later)  # somebody else's now
    results.record([Result(claim=mine, status="queued")], timezone.now())
    results.renew([mine], timezone.now() + timedelta(hours=1))
    results.unclaim([mine])
    row.refresh_from_db()
    assert (row.status, row.claimed_until, row.attempts) == ("sending", later, 0)
    results.record([Result(claim=mine, status="sent", msg_id="1")], timezone.now())
    row.refresh_from_db()
    assert (row.status, row.msg_id, row.claimed_until) == ("sent", "1", None)


def test_put_back_counts_attempts_up_to_what_the_column_holds():
    (row,) = add("a")
    for attempts in (0, results.MOST_ATTEMPTS):
        OutgoingCall.objects.filter(pk=row.pk).update(attempts=attempts, status="queued")
        (mine,) = claim()
        results.record([Result(claim=mine, status="queued", due_at=timezone.now())], timezone.now())
        row.refresh_from_db()
        assert row.attempts == min(attempts + 1, results.MOST_ATTEMPTS)
    assert row.finished_at is None


def test_a_claim_whose_commit_was_not_answered_waits_again():
    (row,) = add("a")
    (mine,) = claim()
    results.unclaim([mine])
    row.refresh_from_db()
    assert (row.status, row.claimed_until) == ("queued", None)


def test_unreachable_chats_are_made_or_marked():
    now = timezone.now()
    Chat.objects.create(account=account(), chat_id="known", title="Known", type="private", created_at=now)
    results.mark_unreachable(account().pk, {"known": "gone", "new": "blocked"}, now)
    marked = Chat.objects.order_by("chat_id").values_list("chat_id", "title", "unreachable_reason")
    assert list(marked) == [("known", "Known", "gone"), ("new", "", "blocked")]


@pytest.mark.django_db(transaction=True)
def test_two_processes_never_get_the_same_row_nor_the_same_chat():
    add(*[f"c{number % 50}" for number in range(200)])
    taken: list[Claim] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(5):
            taken.extend(claim(7))
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


ROWS = 100_000


def fill() -> None:
    """Sent rows, and as many of each kind that waits."""
    with connection.cursor() as cursor:
        table = OutgoingCall._meta.db_table
        cursor.execute(
            f"INSERT INTO {table} (id, account_id, method, chat_id, params, status, sender, priority, attempts, error, "
            "msg_id, created_at, due_at) SELECT gen_random_uuid(), %s, 'messages/sendText', 'c' || (n %% 5000), '{}', "
            "CASE n %% 5 WHEN 0 THEN 'queued' ELSE 'sent' END, 'worker', n %% 3, 0, '', '', now(), "
            "CASE n %% 2 WHEN 0 THEN now() + interval '1 day' END "
            "FROM generate_series(1, %s) AS n",
            [account().pk, ROWS],
        )
        cursor.execute(f"ANALYZE {table}")


def test_no_statement_of_a_lot_reads_the_table_from_end_to_end():
    if connection.vendor != "postgresql":
        pytest.skip("EXPLAIN of PostgreSQL")
    fill()
    seen: list[tuple[str, Any]] = []

    def note(execute, sql, params, many, context):
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        taken = claim()
        results.renew(taken, timezone.now())
        results.record([Result(claim=item, status="sent") for item in taken], timezone.now())
        queue.due_accounts(timezone.now())
        queue.release_abandoned(timezone.now(), resend=False)
    assert len(taken) > 50
    plans = [plan_of(sql, params) for sql, params in seen if re.match(r"\s*(SELECT|WITH|UPDATE)", sql)]
    assert len(plans) >= 8
    for plan in plans:
        assert f"Seq Scan on {OutgoingCall._meta.db_table}" not in plan, plan
