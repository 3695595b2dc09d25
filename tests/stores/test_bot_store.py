from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.stores.factories import OWNER, account, event, incoming, key, store
from vkteams_bot.api import ParseMode
from vkteams_bot.api.methods import SendText
from vkteams_bot.api.outcomes import Kind, Outcome
from vkteams_bot.api.retry import RetryStrategy
from vkteams_bot.fsm import StateRecord
from vkteams_bot.models import BotAccount, Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update
from vkteams_bot.runtime.bot_store import BotStore, Changes
from vkteams_bot.stores import inbox, log, outbox
from vkteams_bot.stores.inbox import Finished, Incoming
from vkteams_bot.stores.lease import LeaseLost
from vkteams_bot.stores.outbox import ClaimedCall, NewCall
from vkteams_bot.stores.payloads import stored
from vkteams_bot.stores.uuid7 import uuid7
from vkteams_bot.worker.recorder import Recorded
from vkteams_bot.worker.results import result_of
from vkteams_bot.worker.sender import Completed, InFlight

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

QUEUED, SENDING, SENT = OutgoingCall.Status.QUEUED, OutgoingCall.Status.SENDING, OutgoingCall.Status.SENT


METHOD = SendText("a@example.com", "hello")


def reply(update_id: int | None = None, status: str = SENDING) -> NewCall:
    return NewCall(
        id=uuid7(),
        method=METHOD.path,
        chat_id="a@example.com",
        params=stored(METHOD, None),
        origin=OutgoingCall.Origin.REPLY,
        update_id=update_id,
        claimed=status == SENDING,
    )


def recorded(call: NewCall, kind: Kind = Kind.SENT, **outcome: Any) -> Recorded:
    """What became of a reply, as it is committed."""
    claimed = ClaimedCall(id=call.id, method=call.method, chat_id=call.chat_id, origin=call.origin)
    completed = Completed(InFlight(claimed, METHOD), Outcome(kind=kind, **outcome))
    return completed, result_of(claimed, completed.outcome, RetryStrategy(), timezone.now())


def finished(ids: dict[int, int], count: int) -> Changes:
    """What so many handlers leave: an outcome, a state, a reply, and the outcome of an earlier reply."""
    changes = Changes()
    for number, update_id in sorted(ids.items())[:count]:
        call = reply(update_id)
        changes.add(
            Changes(
                finished=[Finished(update_id, "done", "app.bot:handler")],
                states={key(f"p{number}@example.com"): StateRecord("state", {"n": number})},
                calls=[call],
                recorded=[recorded(call, msg_id="7")],
                claims=[call.id],
                log=log.outgoing(METHOD, None, timezone.now()),
            )
        )
    return changes


def many(first: int, count: int) -> list[Incoming]:
    return [item for n in range(first, first + count) for item in incoming(n, who=f"p{n}@example.com")]


class TestCost:
    """Any number of rows is a constant number of statements."""

    @staticmethod
    def statements(django_assert_max_num_queries, work) -> int:
        with django_assert_max_num_queries(40) as captured:
            work()
        return len(captured)

    def test_ingest(self, django_assert_max_num_queries):
        found = store()
        first = self.statements(
            django_assert_max_num_queries, lambda: found.ingest(many(1, 1), 1, [key("p1@example.com")])
        )
        batch = many(100, 100)
        wanted = [item.key for item in batch if item.key]
        hundred = self.statements(django_assert_max_num_queries, lambda: found.ingest(batch, 200, wanted))

        assert hundred == first
        assert first <= 12
        assert Update.objects.count() == ChatMessage.objects.count() == Contact.objects.count() == 101

    def test_ingest_of_known_people_costs_less(self, django_assert_max_num_queries):
        found = store()
        new = self.statements(django_assert_max_num_queries, lambda: found.ingest(many(1, 50), 50, []))
        again = incoming(*range(100, 150), who="p7@example.com")
        known = self.statements(django_assert_max_num_queries, lambda: found.ingest(again, 150, []))

        assert known < new
        assert known <= 5

    def test_commit(self, django_assert_max_num_queries):
        found = store()
        ids = found.ingest(many(1, 101), 101, []).ids
        one, hundred = finished(ids, 1), finished(dict(sorted(ids.items())[1:]), 100)

        few = self.statements(django_assert_max_num_queries, lambda: found.commit(one))
        lots = self.statements(django_assert_max_num_queries, lambda: found.commit(hundred))

        assert lots == few
        assert few <= 12
        assert Update.objects.filter(status="done").count() == 101
        assert OutgoingCall.objects.filter(status=SENT).count() == 101
        assert Conversation.objects.count() == 101


class TestIngest:
    def test_offset_and_updates_move_together(self):
        found = store()

        found.ingest(incoming(5, 6), 6, [])

        assert found.offset() == 6
        assert list(Update.objects.order_by("pk").values_list("event_id", flat=True)) == [5, 6]

    def test_a_failure_moves_neither(self):
        found = store()
        bad = Incoming(event(7), key())
        object.__setattr__(bad.event, "raw", {"x": float("nan"), "payload": {}})

        with pytest.raises(Exception, match=r"JSON|json"), transaction.atomic():
            found.ingest([*incoming(6), bad], 7, [])

        assert found.offset() == 0
        assert not Update.objects.exists()
        assert not ChatMessage.objects.exists()

    def test_duplicates_are_ignored(self):
        found = store()
        first = found.ingest(incoming(1, 2), 2, [])
        Update.objects.update(status="done")

        second = found.ingest(incoming(2, 3), 3, [])

        assert list(first.ids) == [1, 2]
        assert list(second.ids) == [3]
        assert Update.objects.get(event_id=2).status == "done"

    def test_a_batch_whose_commit_was_not_answered_is_given_again(self):
        found = store()
        lost = found.ingest(incoming(1, 2, 3), 3, [])
        Update.objects.filter(event_id=1).update(status="done")  # before the offset: an older one, come again

        again = found.ingest(incoming(1, 2, 3), 3, [], tried_after=1)

        assert again.ids == {number: lost.ids[number] for number in (2, 3)}
        assert Update.objects.count() == 3

    def test_states_come_with_the_batch(self):
        found = store()
        found.storage.save({key(): StateRecord("asked", {"n": 1})})

        states = found.ingest(incoming(1), 1, [key(), key("b@example.com")]).states

        assert states == {key(): StateRecord("asked", {"n": 1}, version=1)}

    @pytest.mark.django_db(transaction=True)  # foreign keys are checked at the commit
    def test_a_chat_deleted_by_hand_comes_back(self):
        found = store()
        found.ingest(incoming(1), 1, [])
        Chat.objects.all().delete()
        Contact.objects.all().delete()

        found.ingest(incoming(2), 2, [])

        assert Chat.objects.get().messages.get().msg_id == "2"
        assert Contact.objects.count() == 1


class TestFence:
    def test_who_lost_the_lease_writes_nothing(self):
        old = store()
        ids = old.ingest(incoming(1), 1, []).ids
        BotAccount.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        new = BotStore(account(), "test:2:b")
        assert new.lease.take()

        for write in (
            lambda: old.ingest(incoming(2), 2, []),
            lambda: old.ingest([], 9, []),
            lambda: old.commit(finished(ids, 1)),
            lambda: old.take_retried(10),
            lambda: old.recover(),
            lambda: old.skip_pending(),
            old.lease.renew,
        ):
            with pytest.raises(LeaseLost), transaction.atomic():
                write()

        assert new.offset() == 1
        assert Update.objects.get().status == "pending"
        assert not OutgoingCall.objects.exists()
        assert not Conversation.objects.exists()
        old.lease.release()
        assert new.lease.holder() == "test:2:b"

    def test_the_server_ends_the_transaction_of_a_holder_that_falls_silent(self):
        """Else a paused machine would hold up the take-over for as long as its connection lives."""
        if connection.vendor != "postgresql":
            pytest.skip("a row lock of PostgreSQL")
        found = store()
        limits: list[str] = []

        def note(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if sql.startswith(("INSERT", "UPDATE")):
                with connection.connection.cursor() as own:  # the statement's own cursor still holds its result
                    own.execute("SHOW idle_in_transaction_session_timeout")
                    limits.append(own.fetchone()[0])
            return result

        with connection.execute_wrapper(note):
            found.ingest([], 1, [])
            found.commit(Changes(started=[1]))

        assert limits == ["8s", "8s"]

    def test_a_lease_is_taken_when_free_or_over(self):
        first, second = BotStore(account(), "1"), BotStore(account(), "2")

        assert first.lease.take()
        assert first.lease.take(), "one's own"
        assert not second.lease.take()
        first.lease.release()
        assert second.lease.take()
        assert not second.lease.abandoned_by
        BotAccount.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        second.lease.renew()
        assert not first.lease.take(), "an expired lease that nobody took is its owner's again"
        BotAccount.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert first.lease.take()
        assert first.lease.abandoned_by == "2"


class TestRecovery:
    @staticmethod
    def restart(owner: str, *, crashed: bool = True) -> BotStore:
        if crashed:
            BotAccount.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        else:
            BotAccount.objects.update(lease_owner="", lease_until=None)
        return store(owner)

    def test_what_was_being_sent_is_unknown(self):
        found = store()
        calls = [reply(status=SENDING), reply(status=QUEUED)]
        found.commit(Changes(calls=calls))

        recovered = self.restart("2").recover()

        assert recovered.unknown == 1
        statuses = dict(OutgoingCall.objects.values_list("pk", "status"))
        assert statuses == {calls[0].id: "unknown", calls[1].id: "queued"}
        assert "process died" in OutgoingCall.objects.get(status="unknown").error

    def test_what_was_being_sent_is_sent_again_when_asked_for(self, settings):
        settings.VKTEAMS_BOT = {**settings.VKTEAMS_BOT, "ON_UNKNOWN": "resend"}
        store().commit(Changes(calls=[reply(status=SENDING)]))

        self.restart("2").recover()

        assert OutgoingCall.objects.get().status == QUEUED

    def crash(self, owner: str, *, running: Sequence[int] = (), alone: int | None = None) -> BotStore:
        """The next start, after a crash in which these were running."""
        holder = BotStore(account(), BotAccount.objects.get().lease_owner)
        holder.commit(Changes(started=list(running)))
        if alone is not None:
            holder.start_alone(alone)
        return self.restart(owner)

    @staticmethod
    def stored(*numbers: int) -> list[int]:
        """Their ids."""
        store().ingest(incoming(*numbers), max(numbers), [])
        return list(Update.objects.order_by("pk").values_list("pk", flat=True))

    @staticmethod
    def counts() -> list[tuple[str, int]]:
        return list(Update.objects.order_by("pk").values_list("status", "attempts"))

    def test_what_was_running_in_three_crashes_runs_alone_and_is_not_given_up_for_more(self):
        first, second, third = self.stored(1, 2, 3)
        for crash in range(1, 7):
            again = self.crash(f"crash {crash}", running=(first, second) if crash > 1 else ())
            assert again.recover().failed == 0
            assert [update.id for update in again.crashing()] == ([first, second] if crash > 2 else [])
            assert not any(update.suspect for update in again.crashing()), "the backlog marks them"

        assert self.counts() == [("pending", 3), ("pending", 3), ("pending", 1)]
        assert set(Update.objects.values_list("pk", "crashed_in")) == {
            (first, "crash 2"),
            (second, "crash 2"),
            (third, OWNER),
        }

    def test_only_two_crashes_while_it_ran_alone_convict(self):
        first, second = self.stored(1, 2)
        Update.objects.update(attempts=3)
        assert self.crash("2", alone=first).recover().failed == 0
        assert self.counts() == [("pending", 4), ("pending", 3)]
        assert self.crash("3", running=[first, second]).recover().failed == 0
        assert self.counts() == [("pending", 4), ("pending", 3)]

        assert self.crash("4", alone=first).recover().failed == 1

        assert self.counts() == [("failed", 5), ("pending", 3)]
        found = Update.objects.get(pk=first)
        assert "died twice" in found.error
        assert found.done_at is not None

    def test_one_that_others_run_beside_is_not_alone_any_more(self):
        (only,) = self.stored(1)
        Update.objects.update(attempts=4)
        found = BotStore(account(), OWNER)
        found.start_alone(only)
        found.commit(Changes(started=[only]))
        assert self.counts() == [("alone", 4)], "as when its handler runs again because the database was away"
        assert found.end_alone(only)
        assert self.counts() == [("running", 4)]

        assert self.crash("2").recover().failed == 0

        assert self.counts() == [("pending", 4)]
        found = BotStore(account(), "2")
        found.start_alone(only)
        found.commit(Changes(finished=[Finished(only, "done")]))
        assert not found.end_alone(only), "it has finished"

    def test_those_that_ran_alone_least_often_come_first_and_conversations_keep_their_order(self):
        found = store()
        people = ["a", "b", "c", "b", "a"]
        for number, who in enumerate(people, start=1):
            found.ingest(incoming(number, who=f"{who}@example.com"), number, [])
        one, two, three, four, five = Update.objects.order_by("pk").values_list("pk", flat=True)
        Update.objects.update(attempts=3)
        for pk, runs in {one: 2, two: 1, five: 1}.items():
            Update.objects.filter(pk=pk).update(alone_runs=runs)

        assert [update.id for update in found.crashing()] == [three, two, four, one, five]

        found.start_alone(three)
        found.commit(Changes(put_back=[three]))
        assert [update.id for update in found.crashing()] == [two, three, four, one, five]

    def test_a_process_that_lives_takes_the_crash_back_that_was_counted_for_it(self):
        """It was paused, and another took its lease."""
        fresh, running, capped, alone, convicted = self.stored(1, 2, 3, 4, 5)
        paused = BotStore(account(), OWNER)
        Update.objects.filter(pk=running).update(attempts=1, crashed_in="an older one")
        Update.objects.filter(pk=capped).update(attempts=3, crashed_in="an older one")
        Update.objects.filter(pk=alone).update(attempts=3)
        Update.objects.filter(pk=convicted).update(attempts=4)
        paused.commit(Changes(started=[running, capped]))
        paused.start_alone(alone)
        paused.start_alone(convicted)
        successor = self.restart("2")
        assert successor.recover().failed == 1
        assert self.counts() == [("pending", 1), ("pending", 2), ("pending", 3), ("pending", 4), ("failed", 5)]
        successor.commit(Changes(finished=[Finished(fresh, "failed", "", "of its own")]))

        paused.acquit()

        assert self.counts() == [("failed", 0), ("pending", 1), ("pending", 3), ("pending", 3), ("retry", 4)]
        assert list(Update.objects.order_by("pk").values_list("crashed_in", "error")) == [
            ("", "of its own"),
            ("", ""),
            ("an older one", ""),
            ("", ""),
            ("", ""),
        ]
        assert Update.objects.get(pk=convicted).done_at is None
        [again] = successor.take_retried(10)
        assert (again.id, again.suspect) == (convicted, True)
        paused.acquit()
        assert self.counts()[1] == ("pending", 1), "once"

    def test_what_an_operator_retries_begins_anew(self):
        (only,) = self.stored(1)
        Update.objects.update(status="failed", attempts=5, alone_runs=2, crashed_in=OWNER)

        assert inbox.retry(Update.objects.all()) == 1
        BotStore(account(), OWNER).acquit()

        assert Update.objects.values_list("status", "attempts", "alone_runs").get(pk=only) == ("retry", 0, 0)

    def test_an_orderly_stop_is_no_crash(self):
        found = store()
        found.ingest(incoming(1, 2), 2, [])
        started = Update.objects.order_by("pk").first()
        assert started is not None
        found.commit(Changes(started=[started.pk]))
        found.commit(Changes(put_back=[started.pk]))
        assert self.counts() == [("pending", 0), ("pending", 0)]
        found.start_alone(started.pk)
        found.commit(Changes(put_back=[started.pk]))
        assert set(Update.objects.values_list("status", flat=True)) == {"pending"}

        self.restart("2", crashed=False).recover()

        assert set(Update.objects.values_list("status", "attempts")) == {("pending", 0)}

    def test_put_back_changes_nothing_else(self):
        found = store()
        ids = found.ingest(incoming(1), 1, []).ids
        found.commit(Changes(finished=[Finished(ids[1], "done")]))

        found.commit(Changes(put_back=[ids[1]]))

        assert Update.objects.get().status == "done"


class TestCalls:
    def test_only_waiting_ones_are_claimed(self):
        found = store()
        waiting, dropped = reply(status=QUEUED), reply(status=QUEUED)
        found.commit(Changes(calls=[waiting, dropped]))
        outbox.drop(OutgoingCall.objects.filter(pk=dropped.id))
        claims = Changes(claims=[waiting.id, dropped.id])

        assert found.commit(claims) == {waiting.id}
        assert found.commit(claims) == {waiting.id}, "the claim is ours: its commit may not have been answered"
        OutgoingCall.objects.update(claimed_by="another")
        assert found.commit(claims) == set(), "it is claimed already"

    def test_an_unclaimed_one_waits_again(self):
        found = store()
        call = reply(status=SENDING)
        found.commit(Changes(calls=[call]))

        found.commit(Changes(released=[call.id]))
        assert OutgoingCall.objects.get().status == QUEUED
        OutgoingCall.objects.update(status=SENT)
        found.commit(Changes(released=[call.id]))
        assert OutgoingCall.objects.get().status == SENT

    def test_a_call_comes_back_as_it_went(self):
        found = store()
        method = SendText("a@example.com", "text \N{SNOWMAN}", reply_msg_id=["1", "2"], parse_mode=ParseMode.HTML)
        call = replace(reply(status=QUEUED), params=stored(method, None))
        found.commit(Changes(calls=[call]))

        assert found.has_work(())
        [back] = found.waiting_replies((), 10)

        assert back.flight.call.id == call.id
        assert back.flight.method.params(None) == method.params(None)
        assert not found.has_work({call.id})
        assert found.waiting_replies({call.id}, 10) == []

    def test_a_waiting_reply_knows_its_conversation(self):
        found = store()
        ids = found.ingest(incoming(1), 1, []).ids
        found.commit(Changes(calls=[reply(ids[1], QUEUED), reply(None, QUEUED)]))

        answer, orphan = found.waiting_replies((), 10)

        assert answer.key == key()
        assert orphan.key.chat_id == "a@example.com"

    @pytest.mark.parametrize("row", [{"method": "messages/doesNotExist"}, {"params": [1]}, {"params": {"file": 7}}])
    def test_a_row_that_cannot_be_sent_is_marked_and_the_bot_starts(self, row):
        found = store()
        found.commit(Changes(calls=[reply(status=QUEUED), reply(status=QUEUED)]))
        first = OutgoingCall.objects.order_by("pk")[0]
        OutgoingCall.objects.filter(pk=first.pk).update(**row)

        assert len(found.waiting_replies((), 10)) == 1
        first.refresh_from_db()
        assert (first.status, "cannot be sent" in first.error) == ("failed", True)

    def test_one_that_is_put_back_waits_and_counts_its_try(self):
        found = store()
        call = reply()
        found.commit(Changes(calls=[call]))

        found.commit(Changes(recorded=[recorded(call, Kind.NOT_SENT, error="away", repeatable=True)]))

        row = OutgoingCall.objects.get()
        assert (row.status, row.attempts, row.finished_at, row.claimed_by) == (QUEUED, 1, None, "")
        assert row.due_at is not None
        assert row.retry_until is not None
        assert row.due_at < row.retry_until

    def test_committing_twice_changes_nothing(self):
        found = store()
        ids = found.ingest(incoming(1), 1, []).ids
        changes = finished(ids, 1)

        found.commit(changes)
        found.commit(changes)

        assert OutgoingCall.objects.count() == 1
        assert OutgoingCall.objects.get().attempts == 1
        assert Conversation.objects.get().version == 1


def test_retried_updates_are_taken_once():
    found = store()
    ids = found.ingest(incoming(1, 2), 2, []).ids
    found.commit(Changes(finished=[Finished(ids[1], "failed", "h", "why"), Finished(ids[2], "done")]))
    assert not found.has_work(())
    assert inbox.retry(Update.objects.all()) == 1
    assert found.has_work(())

    taken = found.take_retried(10)

    assert [update.id for update in taken] == [ids[1]]
    assert not found.has_work(())
    assert Update.objects.get(pk=ids[1]).error == ""


def test_waiting_updates_can_be_skipped():
    found = store()
    found.ingest(incoming(1, 2), 2, [])

    assert found.skip_pending() == 2
    assert found.pending(0, 10) == []


def test_pages_of_what_waits_are_in_order():
    found = store()
    found.ingest(incoming(*range(1, 8)), 7, [])

    first = found.pending(0, 3)
    second = found.pending(first[-1].id, 10)

    assert [update.raw["eventId"] for update in [*first, *second]] == list(range(1, 8))
