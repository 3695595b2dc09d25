"""Which limiter a bot of the settings gets."""

import secrets
import time

import pytest
from django.core.checks import run_checks
from django.test import override_settings
from django_redis import get_redis_connection  # type: ignore[import-untyped]

from vkteams_bot.exceptions import RateLimited
from vkteams_bot.limits import LocalLimiter
from vkteams_bot.limits.shared import SharedLimiter
from vkteams_bot.registry import Bots

SECRET = "0987654321"
LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


@pytest.fixture
def bot():
    """A bot of an installation that no other test knows: Redis keeps its turns for a minute."""
    installation = f"http://127.0.0.1:1/{secrets.token_hex(8)}"
    return {"TOKEN": f"001.1234567890.{SECRET}:1000000007", "API_URL": f"{installation}/bot/v1"}


@pytest.fixture
def use(request):
    """Use these caches and bots."""

    def use(caches, bots, **more):
        override = override_settings(CACHES=caches, VKTEAMS_BOT={"BOTS": bots, **more})
        override.enable()
        request.addfinalizer(override.disable)
        used = Bots()
        request.addfinalizer(lambda: close(used))
        return used

    return use


def pool_of(limiter):
    return limiter._link._script.registered_client.connection_pool


def close(bots):
    """Left to the garbage collector, their sockets would be complained of in the middle of another test."""
    for _, bot in bots._made.values():
        if isinstance(bot.limiter, SharedLimiter):
            pool_of(bot.limiter).disconnect()


def redis_cache(url, **options):
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}


@pytest.mark.redis
def test_a_cache_of_django_redis_is_where_all_processes_count(use, bot, redis_url):
    limited = bot | {"RATE_LIMIT": 0.01, "BURST": 2, "CHAT_RATE_LIMIT": 0.001}
    one, other = (use({"default": redis_cache(redis_url)}, {"default": limited})["default"] for _ in range(2))
    assert isinstance(one.limiter, SharedLimiter)
    assert one.limiter.reserve("a") == 0
    assert other.limiter.reserve("a") == pytest.approx(1000, rel=0.01)
    assert other.limiter.reserve(None) == pytest.approx(100, rel=0.1)


@pytest.mark.redis
def test_pause_that_another_process_was_told_raises_beyond_the_setting(use, bot, redis_url):
    """Nothing is sent: there is no server at the address."""
    impatient = bot | {"MAX_RETRY_AFTER": 5}
    told, other = (use({"default": redis_cache(redis_url)}, {"default": impatient})["default"] for _ in range(2))
    told.limiter.pause(20)
    with pytest.raises(RateLimited) as caught:
        other.send_text("a", "hello").send()
    assert caught.value.retry_after == pytest.approx(20, abs=2)


@pytest.mark.redis
def test_aliases_of_one_bot_share_and_others_do_not(use, bot, redis_url):
    limited = bot | {"RATE_LIMIT": 0.01, "BURST": 1}
    names = {
        "one": limited,
        "same": limited | {"API_URL": limited["API_URL"] + "/"},
        "other": limited | {"TOKEN": limited["TOKEN"] + "1"},
        "elsewhere": limited | {"API_URL": limited["API_URL"] + "2"},
        "odd": limited | {"TOKEN": "no-user-id"},
    }
    bots = use({"default": redis_cache(redis_url)}, names)
    assert [bots[alias].limiter.try_take(None) for alias in names] == [True, False, True, True, True]
    keys = [key.decode() for key in get_redis_connection().scan_iter("*vkteams*")]
    assert len(keys) >= 8
    assert not any(part in key for key in keys for part in (SECRET, "1234567890", "no-user-id"))


def test_another_cache_is_counted_in_the_process(use, bot):
    bots = use({"default": LOCAL}, {"default": bot | {"RATE_LIMIT": 5, "BURST": 3}})
    limiter = bots["default"].limiter
    assert isinstance(limiter, LocalLimiter)
    assert (limiter.policy.rate, limiter.policy.burst) == (5, 3)


@pytest.mark.redis
def test_the_cache_can_be_named(use, bot, redis_url):
    both = {"default": LOCAL, "fast": redis_cache([redis_url])}
    assert isinstance(use(both, {"default": bot}, RATE_LIMIT_CACHE="fast")["default"].limiter, SharedLimiter)
    assert isinstance(use(both, {"default": bot})["default"].limiter, LocalLimiter)


@pytest.mark.redis
def test_a_bot_that_this_process_points_elsewhere_shares_with_nobody(use, bot, redis_url):
    bots = use({"default": redis_cache(redis_url)}, {"default": bot})
    bots.override("default", api_url="http://127.0.0.1:2/bot/v1")
    assert isinstance(bots["default"].limiter, LocalLimiter)
    bots.restore("default")
    assert isinstance(bots["default"].limiter, SharedLimiter)


@pytest.mark.redis
def test_its_connections_are_short_tempered_and_the_cache_keeps_its_own(use, bot, redis_url):
    # The cache knows its pools by their address: this one must be new.
    url = f"{redis_url}?health_check_interval=7"
    options = {"socket_timeout": 8, "client_name": "n"}
    settings = redis_cache(url, SOCKET_TIMEOUT=9, CONNECTION_POOL_KWARGS=options)
    bots = use({"default": settings}, {"default": bot | {"RATE_LIMIT": 5}})
    own = get_redis_connection().connection_pool
    pool = pool_of(bots["default"].limiter)
    assert pool is not own
    assert own.connection_kwargs["socket_timeout"] == 8
    assert pool.connection_kwargs["socket_timeout"] == pool.connection_kwargs["socket_connect_timeout"] == 0.3
    assert pool.connection_kwargs["client_name"] == "n"


@pytest.mark.redis
def test_redis_that_hangs_holds_nobody_up_for_long(use, bot, private_redis):
    limiter = use({"default": redis_cache(private_redis.url)}, {"default": bot | {"RATE_LIMIT": 5}})["default"].limiter
    assert limiter.try_take("c")
    with private_redis.hanging():
        asked = time.monotonic()
        limiter.reserve("c")
        limiter.try_take("c")
        assert time.monotonic() - asked < 5


# Checks.


def ids():
    found = run_checks(tags=["vkteams_bot"])
    return {(message.id, message.msg) for message in found if message.id in ("vkteams_bot.E005", "vkteams_bot.W002")}


def test_a_cache_that_is_not_there_is_an_error(use, bot):
    use({"default": LOCAL}, {"default": bot}, RATE_LIMIT_CACHE="fats")
    assert ids() == {("vkteams_bot.E005", "RATE_LIMIT_CACHE is 'fats': there is no such cache.")}


@pytest.mark.parametrize(("limits", "warned"), [({"RATE_LIMIT": 5}, True), ({"CHAT_RATE_LIMIT": 1}, True), ({}, False)])
def test_a_redis_cache_that_cannot_count_is_warned_of(use, bot, limits, warned):
    cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    use({"default": cache}, {"default": bot | limits})
    assert [id for id, _ in ids()] == ["vkteams_bot.W002"] * warned
    use({"default": LOCAL}, {"default": bot | limits})
    assert not ids()


def test_a_wrong_bot_is_not_the_business_of_this_check(use):
    cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    use({"default": cache}, {"default": {"RATE_LIMIT": 5}})
    assert not ids()


def test_a_name_that_is_none_is_not_the_business_of_this_check(use, bot):
    use({"default": LOCAL}, {"default": bot}, RATE_LIMIT_CACHE=["default"])
    assert not ids()
