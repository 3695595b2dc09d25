"""Every query that the loop runs finds its rows by an index, with ten thousand rows that it does not want."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.stores.factories import OWNER, account, event, incoming, key, store
from tests.stores.plans import ROWS, analyze, check, multiply, plan_of, uuid_of_number
from tests.stores.test_bot_store import finished, many
from vkteams_bot.fsm import StateRecord
from vkteams_bot.models import BotAccount, Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update
from vkteams_bot.runtime.bot_store import BotStore, Changes
from vkteams_bot.stores.uuid7 import uuid7

pytestmark = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def full() -> BotStore:
    found = store()
    now = timezone.now() - timedelta(days=1)
    mine = account()
    update = Update.objects.create(
        account=mine, event_id=0, type="newMessage", payload={}, status="done", created_at=now
    )
    multiply(update, ROWS - 1, event_id="n")
    call = OutgoingCall.objects.create(
        id=uuid7(), account=mine, method="messages/sendText", status="sent", created_at=now
    )
    multiply(call, id=uuid_of_number())
    conversation = Conversation.objects.create(account=mine, chat_id="c", user_id="u", updated_at=now)
    multiply(conversation, chat_id="'c' || n", user_id="'u' || n")
    chat = Chat.objects.create(account=mine, chat_id="c", created_at=now)
    multiply(chat, chat_id="'c' || n")
    multiply(Contact.objects.create(user_id="u", created_at=now), user_id="'u' || n")
    message = ChatMessage.objects.create(chat=chat, msg_id="m", direction="in", sent_at=now)
    multiply(message, msg_id="'m' || n")
    analyze()
    return found


def test_every_query_of_the_loop_uses_an_index(full: BotStore):
    # The test of this test: a scan is seen.
    table = Update._meta.db_table
    assert plan_of(f"SELECT * FROM {table} WHERE handler = 'x'").scanned == {table}
    assert not plan_of(f"SELECT * FROM {table} WHERE id = 7").scanned

    batch = many(ROWS + 1, 50)
    wanted = [item.key for item in batch if item.key]
    check(lambda: full.ingest(batch, ROWS + 51, wanted), least=6)
    check(lambda: full.ingest(batch, ROWS + 51, [], tried_after=ROWS), least=3)

    ids = dict(Update.objects.filter(event_id__gt=ROWS).values_list("event_id", "pk"))
    changes = finished(ids, 50)
    changes.add(
        Changes(
            started=list(ids.values()),
            put_back=list(ids.values()),
            released=list(changes.claims),
            renewed=list(changes.claims),
        )
    )
    check(lambda: full.commit(changes), least=8)
    check(lambda: full.storage.save({key(): StateRecord("x")}), least=1)

    known = [uuid7() for _ in range(5)]
    check(lambda: full.has_work(known), least=1)
    check(lambda: full.take_retried(100), least=2)
    check(lambda: full.waiting_replies(known, 100), least=1)
    check(lambda: full.pending_of(key(), 0, 10**9, 100), least=1)
    check(full.lease.renew, least=1)
    check(full.lease.take, least=2)
    check(full.offset, least=1)

    full.ingest(incoming(2 * ROWS, 2 * ROWS + 1), 2 * ROWS + 1, [])
    BotAccount.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    again = BotStore(account(), f"{OWNER}2")
    again.lease.take()
    check(lambda: again.recover(), least=7)
    check(lambda: again.pending(0, 100), least=1)
    Update.objects.filter(status="pending").update(attempts=3)
    check(again.crashing, least=1)
    suspect = again.pending(0, 1)[0].id
    check(lambda: again.start_alone(suspect), least=2)
    check(lambda: again.end_alone(suspect), least=2)
    Update.objects.filter(pk=suspect).update(crashed_in=again.owner)
    check(again.acquit, least=2)
    check(lambda: again.load_states([key(), key("b@example.com")]), least=1)
    check(again.skip_pending, least=2)


def test_a_new_numbering_is_noticed_and_stored_by_indexes(full: BotStore):
    """Among numbers that all stand there already."""
    batch = many(ROWS // 2, 50)
    full.ingest([], ROWS, [])
    events = [item.event for item in batch]
    check(lambda: full.review(events, ROWS), least=1)
    assert full.review(events, ROWS).anew
    Update.objects.filter(event_id=7).delete()
    check(lambda: full.review([event(7)], ROWS), least=4)

    full.epoch += 1
    check(lambda: full.ingest(batch, ROWS // 2 + 50, []), least=3)
    check(lambda: full.ingest(batch, ROWS // 2 + 50, [], tried_after=0), least=3)
