"""The rate limit that several processes share: how exact it is, and what bulk costs those who wait for a reply."""

import time
from collections.abc import Sequence
from contextlib import ExitStack

from harness.contenders import LIMIT, Mix
from harness.processes import Process
from harness.sections import CHATS, Measured, Round, RunningBot, Settings, in_rounds
from harness.services import Services, wait_until

DRIP_US = 100_000


def limit(services: Services, settings: Settings, mixes: Sequence[Mix]) -> Measured:
    server = services.load_server
    seconds = 10 if settings.quick else 60

    def sends() -> int:
        return int(server.control("stats", brief=1)["sends"])

    def measure(mix: Mix, latency: int) -> dict[str, Round]:
        with ExitStack() as running:
            if mix.replies:
                running.enter_context(RunningBot(mix, services, latency))
            else:
                server.control("reset")
                services.redis.empty()
            commands = [mix.sender(services) for _ in range(mix.senders)]
            for command in commands:
                running.enter_context(Process(command.arguments, environment=command.environment))
            if mix.senders:
                before = sends()
                wait_until(lambda: sends() > before + LIMIT, 30, "a second of sends")
            before, begin = sends(), time.monotonic()
            if mix.replies:
                server.control("load", events=int(seconds * 1e6 / DRIP_US), chats=CHATS, drip_us=DRIP_US)
                before = 0  # the server counts anew
            time.sleep(seconds)
            sent, seconds_passed = sends() - before, time.monotonic() - begin
            stats = server.control("stats")
        numbers = {"per_second": sent / seconds_passed, "of_limit": sent / seconds_passed / LIMIT * 100}
        if mix.replies:
            times = stats["since_available_us"]
            numbers |= {f"{quantile}_ms": times[quantile] / 1e3 for quantile in ("p50", "p95", "p99")}
        return {f"limit {LIMIT:g} a second": numbers}

    return in_rounds(services, "limit", mixes, [0], settings.rounds, measure)
