"""What an answer is that reaches down to the offset, and what a new numbering leaves in the database."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.stores.factories import incoming, raw_message, store
from vkteams_bot.api.types import Event
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.models import BotAccount, Update
from vkteams_bot.runtime.bot_store import BotStore
from vkteams_bot.stores.inbox import Incoming
from vkteams_bot.stores.lease import LeaseLost

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

MOMENT = 1_700_000_000
"""When the messages of the factories were written."""


def message(number: int, name: str = "", seconds: int = 0, **payload: Any) -> Event:
    """A message with its number as its id, or another one; so many seconds later than others."""
    raw = raw_message(number)
    changes = {"msgId": name or str(number), "timestamp": MOMENT + seconds, **payload}
    return decode_event({**raw, "payload": {**raw["payload"], **changes}}, None)


def press(number: int) -> Event:
    return decode_event({"eventId": number, "type": "callbackQuery", "payload": {"queryId": f"q{number}"}}, None)


def seen(*numbers: int) -> BotStore:
    found = store()
    found.ingest(incoming(*numbers), max(numbers), [])
    return found


class TestReview:
    def review(self, found: BotStore, *events: Event) -> tuple[list[int | None], bool]:
        review = found.review(events, found.offset())
        return [event.event_id for event in review.events], review.anew

    def test_what_is_shown_again_is_left_out(self):
        assert self.review(seen(1, 2, 3), message(2), message(3)) == ([], False)
        assert self.review(seen(1, 2, 3), message(3), message(4)) == ([4], False)

    def test_what_is_shown_in_another_way_is_the_same(self):
        assert self.review(seen(1, 2), message(2, text="its link was renewed")) == ([], False)

    def test_another_under_a_known_number_is_of_a_new_numbering(self):
        assert self.review(seen(1, 2, 3), message(1), message(2, "other"), message(4)) == ([2, 4], True)

    def test_only_unknown_ones_below_the_offset_are_of_a_new_numbering(self):
        assert self.review(seen(5000), message(1), press(2), message(3, seconds=1)) == ([1, 2, 3], True)

    def test_a_late_one_beside_a_known_or_a_newer_one_is_not(self):
        found = seen(1, 3)
        assert self.review(found, message(2), message(3)) == ([2], False)
        assert self.review(found, message(2), message(4)) == ([2, 4], False)

    def test_what_is_older_than_what_was_stored_last_was_pruned(self):
        found = seen(5)
        assert self.review(found, message(1, seconds=-1), message(2, seconds=-1)) == ([], False)
        assert self.review(found, message(1, seconds=-1), message(6)) == ([6], False)
        assert self.review(found, message(1, seconds=-1), message(2)) == ([2], True), "not all are"

    def test_what_is_younger_than_what_pruning_left_was_never_stored(self):
        """Such as an event that comes late, or what a server writes whose clock is behind."""
        found = seen(5, 6)
        moment = timezone.now() - timedelta(hours=5)
        late, old = (message(1, timestamp=int(moment.timestamp()) + seconds) for seconds in (600, -1))
        payload = message(6, timestamp=int(timezone.now().timestamp())).raw
        Update.objects.filter(event_id=6).update(payload=payload)
        assert self.review(found, late) == ([], False)
        Update.objects.filter(event_id=5).update(created_at=moment, status="done", done_at=moment)
        assert self.review(found, old) == ([], False)
        assert self.review(found, late) == ([1], True)
        # Pruning has passed it over when it had failed, and an operator retried it later.
        Update.objects.filter(event_id=5).update(done_at=timezone.now())
        assert self.review(found, late) == ([], False)

    def test_what_does_not_say_when_it_happened_tells_nothing(self):
        assert self.review(seen(5), press(1)) == ([], False)
        assert self.review(seen(5), press(1), press(6)) == ([6], False)

    def test_when_what_came_last_is_gone_the_last_poll_tells_the_time(self):
        """Of which clock is not known: events of the next minutes may be older ones."""
        found = seen(5)
        Update.objects.all().delete()
        now = int(timezone.now().timestamp())
        assert self.review(found, message(1, timestamp=now + 1)) == ([], False)
        assert self.review(found, message(1, timestamp=now + 3600)) == ([1], True)
        BotAccount.objects.update(last_event_at=None)
        assert self.review(found, message(1, timestamp=now + 3600)) == ([], False)

    def test_a_message_that_claims_to_come_from_the_future_does_not_tell_the_time(self):
        found = store()
        found.ingest([Incoming(message(5, timestamp=10**12), None)], 5, [])
        soon = int(timezone.now().timestamp()) + 3600
        assert self.review(found, message(1, timestamp=soon)) == ([1], True)

    def test_events_that_cannot_be_compared_are_the_same(self):
        found = seen(1)
        Update.objects.update(payload={"unreadable": "{…}"})
        assert self.review(found, message(1, "other")) == ([], False)

    def test_what_has_no_number_is_kept(self):
        unnumbered = decode_event({"type": "newMessage", "payload": {}}, None)
        assert self.review(seen(1), unnumbered, message(1)) == ([None], False)

    def test_content_decides_where_nothing_has_an_id(self):
        def renamed(title: str) -> Event:
            chat = {"chatId": "1@chat.agent", "type": "group", "title": f"\x00{title}"}
            return decode_event({"eventId": 1, "type": "changedChatInfo", "payload": {"chat": chat}}, None)

        found = store()
        found.ingest([Incoming(renamed("one"), None)], 1, [])
        assert self.review(found, renamed("one")) == ([], False)
        assert self.review(found, renamed("two")) == ([1], True)

    def test_a_number_of_an_older_numbering_is_no_proof(self):
        found = seen(3)
        found.epoch += 1
        found.ingest(incoming(8), 8, [])
        assert self.review(found, message(3, "other"), message(8)) == ([3], False)
        assert self.review(found, message(3), message(9)) == ([9], False), "but it is what was handled"


class TestNewNumbering:
    def test_epoch_offset_and_events_are_stored_together(self):
        found = seen(5000)
        found.epoch += 1
        ids = found.ingest(incoming(1, 2), 2, []).ids

        assert set(ids) == {1, 2}
        assert (found.offset(), found.epoch) == (2, 1)
        assert BotStore(BotAccount.objects.get(), "other").epoch == 1

    def test_a_number_may_stand_once_in_each(self):
        found = seen(1, 2)
        found.epoch += 1
        other = [Incoming(message(1, "other"), None)]

        assert set(found.ingest(other, 1, []).ids) == {1}
        assert found.ingest(other, 1, []).ids == {}

    @pytest.mark.parametrize("status", ["pending", "done", "failed"])
    def test_the_same_event_is_not_stored_again(self, status):
        found = seen(1, 2)
        Update.objects.update(status=status)
        found.epoch += 1

        assert set(found.ingest(incoming(1, 2, 3), 3, []).ids) == {3}
        found.epoch += 1
        assert found.ingest(incoming(1, 2, 3), 3, []).ids == {}
        assert Update.objects.count() == 3

    def test_a_batch_whose_commit_was_not_answered_is_found_again(self):
        found = seen(1, 2)
        found.epoch += 1
        lost = found.ingest([Incoming(message(1, "other"), None)], 1, [])

        assert found.ingest([Incoming(message(1, "other"), None)], 1, [], tried_after=0).ids == lost.ids

    def test_a_batch_costs_no_further_statement(self, django_assert_num_queries, django_assert_max_num_queries):
        found = seen(1)
        with django_assert_max_num_queries(10) as before:
            found.ingest(incoming(2), 2, [])
        found.epoch += 1
        with django_assert_num_queries(len(before)):
            found.ingest(incoming(3), 3, [])


class TestResetOffset:
    def test_it_begins_a_numbering_at_0(self):
        found = seen(5)
        assert found.reset_offset() == 5
        assert (found.offset(), found.epoch) == (0, 1)
        assert set(found.ingest(incoming(5, 6), 6, []).ids) == {6}

    def test_only_under_the_lease(self):
        found = seen(5)
        BotAccount.objects.update(lease_owner="another")
        with pytest.raises(LeaseLost):
            found.reset_offset()
        assert found.offset() == 5
