import threading
from uuid import UUID

from vkteams_bot.stores.ids import time_ordered_id


def test_ids_ascend_within_a_process_and_across_threads():
    made: list[UUID] = []
    lock = threading.Lock()

    def make() -> None:
        for _ in range(2000):
            with lock:
                made.append(time_ordered_id())

    threads = [threading.Thread(target=make, name=f"maker-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == sorted(made)
    assert len(set(made)) == 8000
    assert {(made_id.version, made_id.variant) for made_id in made} == {(7, "specified in RFC 4122")}


def test_ids_ascend_when_the_clock_goes_back(monkeypatch):
    first = time_ordered_id()
    monkeypatch.setattr("time.time_ns", lambda: 0)

    second, third = time_ordered_id(), time_ordered_id()

    assert first < second < third
