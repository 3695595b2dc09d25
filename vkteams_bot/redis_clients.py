"""A client of the Redis behind a cache of django-redis, whose calls never last long. Needs the extra `redis`."""

from __future__ import annotations

from django.core.cache import caches
from django_redis.pool import get_connection_factory  # type: ignore[import-untyped]
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry


def impatient_client(cache: str, *, seconds: float) -> Redis:
    """As the settings of the cache say (server, password, TLS, Sentinel), but with timeouts of its own."""
    settings = caches.settings[cache]
    options = settings.get("OPTIONS", {})
    patience = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 1, (ConnectionError,)),  # the server may have closed an idle connection
    }
    pool_options = {**options.get("CONNECTION_POOL_KWARGS", {}), **patience}
    factory = get_connection_factory(options={**options, "CONNECTION_POOL_KWARGS": pool_options})
    location = settings["LOCATION"]
    url = (location.split(",") if isinstance(location, str) else location)[0]
    # Not `factory.connect`: it would give the pool of the cache, which goes by the address alone.
    pool = factory.get_connection_pool(factory.make_connection_params(url))
    return Redis(connection_pool=pool)
