"""While the server does not answer, one request tries, ever more rarely."""

from vkteams_bot.worker.circuit_breaker import BACKOFF, FAILURES, CircuitBreaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failed(reach: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        reach.note(answered=False)


def test_some_failures_among_answers_change_nothing():
    reach = CircuitBreaker(Clock())
    for _ in range(10):
        failed(reach, FAILURES - 1)
        reach.note(answered=True)
    assert reach.room(100, 50) == 100


def test_a_row_of_failures_leaves_one_to_try_after_a_pause():
    clock = Clock()
    reach = CircuitBreaker(clock)
    failed(reach, FAILURES)
    assert reach.is_paused
    assert reach.room(100, 0) == 0
    clock.now += BACKOFF.first
    assert not reach.is_paused
    assert reach.room(100, 0) == 1
    assert reach.room(99, 1) == 0
    reach.note(answered=True)
    assert reach.room(99, 1) == 99


def test_pauses_grow_and_end():
    clock = Clock()
    reach = CircuitBreaker(clock)
    failed(reach, FAILURES + 20)
    clock.now += BACKOFF.longest / 2 - 0.001
    assert reach.is_paused
    clock.now += BACKOFF.longest / 2
    assert reach.room(100, 0) == 1
