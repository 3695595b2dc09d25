"""A process that sends as fast as its limit lets it, and prints when: URL KEY PRIORITY, then RATE BURST SECONDS.

It begins when it is told to, by a key in Redis, and looks for that key until it is there.
"""

import json
import sys
import time
from collections.abc import Iterator

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from vkteams_bot.limits import Limiter, Priority, RatePolicy, wait_turn_sync
from vkteams_bot.limits.shared import SharedLimiter

BATCH = 20


def impatient_client(url: str, *, seconds: float = 1) -> Redis:
    """It gives up at once, as the app's own does."""
    return Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0))


def turns(limiter: Limiter, priority: Priority) -> Iterator[float]:
    """The moments at which it may send."""
    while True:
        if priority is Priority.REPLY:
            wait_turn_sync(limiter, None)
            yield time.time()
            continue
        granted = limiter.take(BATCH, priority)
        yield from [time.time()] * granted.count
        time.sleep(granted.wait)


def main(url: str, key: str, priority: str, rate: str, burst: str, seconds: str) -> None:
    redis = impatient_client(url)
    limiter = SharedLimiter(RatePolicy(rate=float(rate), burst=int(burst)), redis, key=key)
    print("ready", flush=True)
    while (begin := redis.get(f"{key}:begin")) is None:
        time.sleep(0.01)
    end = float(begin) + float(seconds)
    sent = []
    for moment in turns(limiter, Priority(int(priority))):
        if moment >= end:
            break
        sent.append(moment)
    print(json.dumps(sent), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
