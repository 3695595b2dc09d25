import asyncio
import time

import pytest

from vkteams_bot.emulator.eventqueue import EventQueue


def ids(events):
    return [event["eventId"] for event in events]


@pytest.fixture
def queue():
    queue = EventQueue(100)
    for number in range(3):
        queue.put("newMessage", {"n": number})
    return queue


def test_ids_ascend_by_one_from_the_first(queue):
    assert ids(queue.take(0, 100)) == [100, 101, 102]


def test_unacknowledged_events_are_given_again(queue):
    assert queue.take(0, 100) == queue.take(0, 100)
    assert ids(queue.take(100, 100)) == [101, 102]
    assert ids(queue.take(100, 100)) == [101, 102]


def test_an_acknowledgement_is_remembered_when_a_smaller_id_comes_later(queue):
    queue.take(101, 100)

    assert ids(queue.take(0, 100)) == [102]
    assert queue.acknowledged == 101


def test_stateless_brings_acknowledged_events_back(queue):
    queue.take(101, 100, stateless=True)

    assert ids(queue.take(100, 100, stateless=True)) == [101, 102]
    assert ids(queue.take(0, 100, stateless=True)) == [100, 101, 102]


def test_zero_may_bring_back_all_that_is_kept(queue):
    queue.take(101, 100, zero_keeps=True)

    assert ids(queue.take(100, 100, zero_keeps=True)) == [102]
    assert ids(queue.take(0, 100, zero_keeps=True)) == [100, 101, 102]
    assert ids(queue.take(0, 100)) == [102]
    assert ids(queue.take(0, 100, zero_keeps=True)) == [102], "what is no longer kept is gone"


def test_an_id_above_the_newest_may_be_ignored(queue):
    queue.take(100, 100)

    assert ids(queue.take(10_000, 100, ignore_beyond=True)) == [101, 102]
    assert queue.acknowledged == 100


def test_fresh_is_what_was_never_returned(queue):
    queue.take(0, 2)

    assert ids(queue.take(0, 100, fresh=True)) == [102]
    assert queue.take(0, 100, fresh=True) == []
    assert ids(queue.take(0, 100)) == [100, 101, 102]


def test_old_events_are_forgotten_by_number_and_by_age():
    now = [50.0]
    queue = EventQueue(100, lambda: now[0])
    for _ in range(5):
        queue.put("newMessage", {})
        now[0] += 1
    queue.take(0, 2)

    queue.forget(keep_events=0, keep_seconds=0)
    assert (queue.pending, queue.unacknowledged) == (3, 2)
    queue.forget(keep_events=4, keep_seconds=0)
    assert (queue.pending, queue.unacknowledged) == (3, 1)
    queue.forget(keep_events=0, keep_seconds=2)
    assert ids(queue.take(0, 100)) == [103, 104]
    assert queue.put("newMessage", {}) == 105


def test_a_batch_has_a_limit(queue):
    assert ids(queue.take(0, 2)) == [100, 101]
    assert ids(queue.take(101, 2)) == [102]


def test_an_id_above_the_newest_acknowledges_all_and_no_more(queue):
    assert queue.take(10_000, 100) == []
    assert (queue.acknowledged, queue.pending) == (102, 0)

    queue.put("newMessage", {})
    assert ids(queue.take(0, 100)) == [103]
    assert queue.take(10_000, 100) == []


def test_counts(queue):
    assert (queue.pending, queue.unacknowledged) == (3, 0)
    queue.take(0, 2)
    assert (queue.pending, queue.unacknowledged) == (1, 2)
    queue.take(100, 2)
    assert (queue.pending, queue.unacknowledged) == (0, 2)
    queue.take(102, 2)
    assert (queue.pending, queue.unacknowledged) == (0, 0)


@pytest.mark.parametrize(
    ("event", "with_id", "given"),
    [
        ({"type": "x"}, True, {"eventId": 103, "type": "x"}),
        ({"type": "x"}, False, {"type": "x"}),
        ({"eventId": "word"}, True, {"eventId": "word"}),
        ({"eventId": 5}, True, {"eventId": 5}),
        ({"eventId": 500}, True, {"eventId": 500}),
        ({"eventId": 2**70}, True, {"eventId": 2**70}),
        ({"eventId": True}, True, {"eventId": True}),
        (None, True, None),
        ("text", True, "text"),
        ([], True, []),
    ],
)
def test_raw_events_come_as_they_are_and_go_with_the_next_acknowledgement(queue, event, with_id, given):
    queue.put_raw(event, with_id=with_id)
    after = queue.put("newMessage", {})

    batch = queue.take(102, 100)

    assert batch[0] == given
    assert batch[1]["eventId"] == after > 103
    assert queue.take(after, 100) == []


def test_clearing_forgets_events_and_never_goes_back_with_ids(queue):
    queue.clear(1)

    assert queue.take(0, 100) == []
    assert queue.put("newMessage", {}) == 103


def test_arrival_ends_with_the_event_and_otherwise_with_the_time(queue):
    async def main():
        began = time.monotonic()
        await queue.arrival(0.05)
        late = time.monotonic() - began
        waiting = [asyncio.create_task(queue.arrival(30)) for _ in range(2)]
        await asyncio.sleep(0)
        queue.put("newMessage", {})
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        assert not queue._waiting
        return late

    assert asyncio.run(main()) >= 0.04
