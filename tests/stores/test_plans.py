"""Every query that the loop runs finds its rows by an index, with twenty thousand rows that it does not want."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tests.stores.factories import OWNER, account, incoming, key, store
from tests.stores.test_bot_store import finished, many
from vkteams_bot.fsm import StateRecord
from vkteams_bot.models import BotAccount, Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update
from vkteams_bot.stores.bot_store import BotStore, Changes
from vkteams_bot.stores.uuid7 import uuid7

pytestmark = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]

ROWS = 20_000
TABLES = (Update, OutgoingCall, Conversation, Chat, Contact, ChatMessage)


@pytest.fixture
def full() -> BotStore:
    found = store()
    now = timezone.now() - timedelta(days=1)
    mine = account()
    Update.objects.bulk_create(
        (
            Update(account=mine, event_id=n, type="newMessage", payload={}, status="done", created_at=now)
            for n in range(1, ROWS)
        ),
        batch_size=2000,
    )
    OutgoingCall.objects.bulk_create(
        (
            OutgoingCall(id=uuid7(), account=mine, method="messages/sendText", status="sent", created_at=now)
            for _ in range(ROWS)
        ),
        batch_size=2000,
    )
    Conversation.objects.bulk_create(
        (Conversation(account=mine, chat_id=f"c{n}", user_id=f"u{n}", updated_at=now) for n in range(ROWS)),
        batch_size=2000,
    )
    Chat.objects.bulk_create(
        (Chat(account=mine, chat_id=f"c{n}", created_at=now) for n in range(ROWS)), batch_size=2000
    )
    Contact.objects.bulk_create((Contact(user_id=f"u{n}", created_at=now) for n in range(ROWS)), batch_size=2000)
    chat = Chat.objects.order_by("pk").first()
    assert chat is not None
    ChatMessage.objects.bulk_create(
        (ChatMessage(chat=chat, msg_id=f"m{n}", direction="in", sent_at=now) for n in range(ROWS)), batch_size=2000
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return found


def plan_of(sql: str, params: Any) -> str:
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}", params)
        return "\n".join(" ".join(map(str, row)) for row in cursor.fetchall())


def scanned(plan: str) -> set[str]:
    """The tables of ours that the plan reads from end to end."""
    tables = "|".join(model._meta.db_table for model in TABLES)
    found = re.findall(rf"Seq Scan on ({tables})\b", plan)
    for line in plan.splitlines():
        if (match := re.search(rf"SCAN (?:TABLE )?(?:\"?)({tables}|c)\b", line)) and "USING" not in line:
            found.append(match[1])
    return set(found)


def plans_of(work: Callable[[], object]) -> list[tuple[str, str]]:
    """Run work; every statement of it, with its plan."""
    seen: list[tuple[str, Any]] = []

    def note(execute, sql, params, many, context):
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        work()
    asked = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE)")
    return [(sql, plan_of(sql, params)) for sql, params in seen if asked.match(sql)]


def check(work: Callable[[], object], *, least: int) -> None:
    """`least`: so many statements at least; fewer would mean that the work had nothing to do."""
    plans = plans_of(work)
    assert len(plans) >= least, plans
    for sql, plan in plans:
        assert not scanned(plan), f"{sql}\n{plan}"


def test_every_query_of_the_loop_uses_an_index(full: BotStore):
    # The test of this test: a scan is seen.
    table = Update._meta.db_table
    assert scanned(plan_of(f"SELECT * FROM {table} WHERE handler = 'x'", None)) == {table}
    assert not scanned(plan_of(f"SELECT * FROM {table} WHERE id = 7", None))

    batch = many(ROWS + 1, 50)
    wanted = [item.key for item in batch if item.key]
    check(lambda: full.ingest(batch, ROWS + 51, wanted), least=6)
    check(lambda: full.ingest(batch, ROWS + 51, [], tried_after=ROWS), least=3)

    ids = dict(Update.objects.filter(event_id__gt=ROWS).values_list("event_id", "pk"))
    changes = finished(ids, 50)
    changes.add(Changes(started=list(ids.values()), put_back=list(ids.values()), unclaimed=list(changes.claims)))
    check(lambda: full.commit(changes), least=8)
    check(lambda: full.storage.save({key(): StateRecord("x")}), least=1)

    known = [uuid7() for _ in range(5)]
    check(lambda: full.has_work(known), least=2)
    check(lambda: full.take_work(known, 100), least=3)
    check(full.lease.renew, least=1)
    check(full.lease.take, least=2)
    check(full.offset, least=1)

    full.ingest(incoming(2 * ROWS, 2 * ROWS + 1), 2 * ROWS + 1, [])
    BotAccount.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    again = BotStore(account(), f"{OWNER}2")
    again.lease.take()
    check(lambda: again.recover(resend=False), least=5)
    check(lambda: again.pending(0, 100), least=1)
    check(again.crashing, least=1)
    check(lambda: again.load_states([key(), key("b@example.com")]), least=1)
    check(again.skip_pending, least=2)
