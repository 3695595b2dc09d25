"""Many sends at once from a handler of a bot that polls: with us, each is written to the chat log, too."""

import json
from collections.abc import Sequence

from harness.contenders import Bot
from harness.processes import Process
from harness.sections import LATENCIES_MS, Measured, Round, Settings, in_rounds
from harness.services import Services, wait_until

SIZES = (10, 100, 1000)
REPEATS = {0: (30, 10, 3), 30: (10, 5, 3)}


def burst(services: Services, settings: Settings, bots: Sequence[Bot]) -> Measured:
    server = services.load_server

    def measure(bot: Bot, latency: int) -> dict[str, Round]:
        server.control("reset")
        server.control("config", latency_us=latency * 1000)
        cases = [
            {"name": f"{size} at once, {latency} ms", "size": size, "repeat": 1 if settings.quick else repeat}
            for size, repeat in zip(SIZES, REPEATS[latency], strict=True)
        ]
        command = bot.start(services)
        environment = {**command.environment, "BENCH_CASES": json.dumps(cases)}
        with Process(command.arguments, environment=environment) as process:
            wait_until(lambda: not process.running or server.control("stats", brief=1)["polls"] > 0, 30, "a first poll")
            server.control("load", events=1, chats=1)
            wait_until(lambda: not process.running or process.answer() is not None, 120, "the bursts are done")
            result = process.answer()
            if result is None:
                raise RuntimeError(f"the bot ended:\n{process.said()}")
        measured: dict[str, Round] = json.loads(result)
        return measured

    return in_rounds(services, "burst", bots, LATENCIES_MS, settings.rounds, measure)
