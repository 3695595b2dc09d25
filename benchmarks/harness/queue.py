"""What a delivery by a worker costs: it must not grow with what waits or with what was ever sent."""

from collections.abc import Sequence

from harness.contenders import Bot, delivery
from harness.sections import Measured, Round, Settings, in_rounds, run_program
from harness.services import Services

LATENCY_US = 30_000


def queue(services: Services, settings: Settings, bots: Sequence[Bot]) -> Measured:
    seconds = 2 if settings.quick else 5

    def measure(bot: Bot, rows: int) -> dict[str, Round]:
        services.load_server.control("reset")
        services.load_server.control("config", latency_us=LATENCY_US)
        numbers: Round = run_program(delivery(bot.start(services), rows, seconds))
        return {f"{rows:,} rows wait, as many were sent": numbers}

    sizes = [10_000, 100_000] if settings.quick else [10_000, 100_000, 1_000_000]
    return in_rounds(services, "queue", bots, sizes, settings.rounds, measure)
