import pytest

from tests.limits.model import Clock
from vkteams_bot.limits import LocalLimiter, RatePolicy


@pytest.mark.parametrize("values", [{"rate": 0}, {"rate": -1}, {"chat_rate": 0}, {"rate": float("nan")}])
def test_rate_must_be_positive(values):
    with pytest.raises(ValueError, match=f"{next(iter(values))} must be positive"):
        RatePolicy(**values)


@pytest.mark.parametrize("values", [{"burst": 0}, {"chat_burst": -1}])
def test_burst_must_be_at_least_one(values):
    with pytest.raises(ValueError, match="burst must be at least 1"):
        RatePolicy(**values)


def test_idle_chats_are_forgotten():
    clock = Clock()
    limiter = LocalLimiter(RatePolicy(chat_rate=1), max_chats=100, clock=clock)
    for number in range(5000):
        clock.now += 0.1
        assert limiter.reserve(str(number)) == 0
        assert len(limiter._parts) <= 101
    # One that still has to wait is not.
    assert limiter.reserve("4999") == pytest.approx(1)


def test_many_busy_chats_do_not_make_each_turn_slow(monkeypatch):
    """Once more chats were busy than are remembered, each new one looked through all of them."""
    sweeps = []
    original = LocalLimiter._forget_idle

    def counted(self):
        sweeps.append(len(self._parts))
        original(self)

    monkeypatch.setattr(LocalLimiter, "_forget_idle", counted)
    clock = Clock()
    limiter = LocalLimiter(RatePolicy(chat_rate=0.001), max_chats=10, clock=clock)
    for number in range(2000):
        limiter.reserve(str(number))
    assert len(limiter._parts) == 2000
    assert len(sweeps) <= 12
    clock.now += 10_000
    for number in range(3000):
        limiter.reserve(f"new {number}")
    assert "0" not in limiter._parts
