import threading
from uuid import UUID

from vkteams_bot.stores.uuid7 import uuid7


def test_ids_ascend_within_a_process_and_across_threads():
    made: list[UUID] = []
    lock = threading.Lock()

    def make() -> None:
        for _ in range(2000):
            with lock:
                made.append(uuid7())

    threads = [threading.Thread(target=make, name=f"maker-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == sorted(made)
    assert len(set(made)) == 8000
    assert {(made_id.version, made_id.variant) for made_id in made} == {(7, "specified in RFC 4122")}


def test_ids_ascend_when_the_clock_goes_back(monkeypatch):
    first = uuid7()
    monkeypatch.setattr("time.time_ns", lambda: 0)

    second, third = uuid7(), uuid7()

    assert first < second < third
