"""While something is away, one probe tries, ever more rarely, and nobody else waits for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from vkteams_bot.backoff import Backoff
from vkteams_bot.circuit_breaker import CircuitBreaker

BACKOFF = Backoff(first=1.0, longest=8.0)
FAILURES = 5


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def breaker(clock: Clock, failures: int = FAILURES) -> CircuitBreaker:
    return CircuitBreaker(failures=failures, backoff=BACKOFF, clock=clock)


def fail(server: CircuitBreaker, times: int) -> list[bool]:
    return [server.record_failure() for _ in range(times)]


def test_failures_among_answers_change_nothing() -> None:
    server = breaker(Clock())
    for _ in range(10):
        assert not any(fail(server, FAILURES - 1))
        assert not server.record_success()
    assert not server.is_open
    assert server.allows()
    assert server.room(100, 50) == 100


def test_a_row_of_failures_leaves_one_to_try_after_a_pause() -> None:
    clock = Clock()
    server = breaker(clock)
    fail(server, FAILURES)
    assert server.is_open
    assert server.is_paused
    assert server.room(100, 0) == 0
    clock.seconds += BACKOFF.first
    assert not server.is_paused
    assert server.room(100, 0) == 1
    assert server.room(0, 0) == 0
    assert server.room(99, 1) == 0, "the probe is alone"
    server.record_success()
    assert server.room(99, 1) == 99


def test_opening_and_closing_are_told_once() -> None:
    server = breaker(Clock())
    assert fail(server, FAILURES + 2) == [*[False] * (FAILURES - 1), True, False, False]
    assert [server.record_success(), server.record_success()] == [True, False]


def test_pauses_grow_by_probes_and_end() -> None:
    clock = Clock()
    server = breaker(clock)
    fail(server, FAILURES)
    for pause in (1, 2, 4, 8, 8, 8):
        assert pause / 2 <= server.pause_left <= pause
        clock.seconds += pause
        assert server.pause_left == 0
        server.record_failure()


def test_what_was_on_its_way_when_it_opened_lengthens_no_pause() -> None:
    """Fifty requests that fail together would else keep a server that restarted for a second away for the longest."""
    clock = Clock()
    server = breaker(clock)
    fail(server, FAILURES)
    pause = server.pause_left
    fail(server, 50)
    assert server.pause_left == pause


def test_after_a_pause_one_caller_tries_and_the_others_are_told_no() -> None:
    clock = Clock()
    broker = breaker(clock, failures=1)
    assert broker.allows()
    broker.record_failure()
    assert not broker.allows()
    clock.seconds += BACKOFF.first
    assert [broker.allows() for _ in range(3)] == [True, False, False]
    broker.record_success()
    assert [broker.allows() for _ in range(3)] == [True, True, True]


def test_a_probe_that_never_tells_is_followed_by_another() -> None:
    clock = Clock()
    broker = breaker(clock, failures=1)
    broker.record_failure()
    clock.seconds += BACKOFF.first
    assert broker.allows()
    clock.seconds += 2 * BACKOFF.first
    assert broker.allows()


def test_many_threads_get_one_probe() -> None:
    clock = Clock()
    broker = breaker(clock, failures=1)
    for _ in range(50):
        broker.record_failure()
        clock.seconds += BACKOFF.longest
        gate = threading.Barrier(8)

        def ask(gate: threading.Barrier = gate) -> bool:
            gate.wait()
            return broker.allows()

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(), range(8)))
        assert answers.count(True) == 1
        clock.seconds += BACKOFF.longest
