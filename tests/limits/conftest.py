import secrets
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from vkteams_bot.limits import Limiter, LocalLimiter, RatePolicy
from vkteams_bot.limits.shared import SharedLimiter


@pytest.fixture(scope="session")
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, socket_timeout=5) as client:
        yield client


class _ClockedRedis:
    """Runs scripts as Redis does, but by a clock of ours instead of the server's."""

    def __init__(self, client, clock):
        self._client = client
        self._clock = clock

    def register_script(self, text):
        by_our_clock = text.replace('redis.call("TIME")', "{ARGV[#ARGV], 0}")
        assert by_our_clock != text
        script = self._client.register_script(by_our_clock)
        return lambda keys, args: script(keys=keys, args=[*args, repr(self._clock())])


def clocked(client, clock):
    return _ClockedRedis(client, clock)


@pytest.fixture(scope="session", params=["local", pytest.param("shared", marks=pytest.mark.redis)])
def limiter_of(request: pytest.FixtureRequest) -> Callable[..., Limiter]:
    """Make a limiter with a clock of ours, of each kind."""
    if request.param == "local":
        return lambda clock, **policy: LocalLimiter(RatePolicy(**policy), clock=clock)
    client = request.getfixturevalue("redis")

    def shared(clock, **policy):
        return SharedLimiter(RatePolicy(**policy), clocked(client, clock), key=secrets.token_hex(8), clock=clock)

    return shared
