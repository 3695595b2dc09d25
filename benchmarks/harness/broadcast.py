"""One text to 10 000 people without a rate limit: our workers, and gathers of sends with nothing stored."""

import json
from collections.abc import Sequence
from contextlib import ExitStack

from harness.contenders import Broadcaster, Library
from harness.processes import Process, cpu_seconds
from harness.sections import LATENCIES_MS, Measured, Round, Settings, in_rounds, run_program
from harness.services import Services, wait_until

AT_ONCE = 1000


def broadcast(services: Services, settings: Settings, contenders: Sequence[Library | Broadcaster]) -> Measured:
    server = services.load_server
    recipients = 2 * AT_ONCE if settings.quick else 10 * AT_ONCE

    def measure(contender: Library | Broadcaster, latency: int) -> dict[str, Round]:
        server.control("reset")
        server.control("config", latency_us=latency * 1000)
        if isinstance(contender, Broadcaster):
            numbers, expected = by_workers(contender), recipients
        else:
            numbers, expected = by_gathers(contender), recipients + AT_ONCE
        arrived = server.control("stats", brief=1)["sends"]
        if arrived != expected:
            raise RuntimeError(f"{arrived} requests arrived instead of {expected}")
        return {f"{recipients:,} recipients, {latency} ms": numbers}

    def by_gathers(library: Library) -> Round:
        """One after another, after one that is not measured, as in the section `client`."""
        case = {"name": "gather", "size": AT_ONCE, "repeat": recipients // AT_ONCE}
        result = run_program(library.program("client", [server.api_url, json.dumps([case])]))["gather"]
        return {"per_second": AT_ONCE / result["wall_ms"] * 1e3, "cpu_us": result["cpu_us"]}

    def by_workers(contender: Broadcaster) -> Round:
        """From the start of the broadcast, so with the writing of its recipients, until all results stand."""
        services.redis.empty()
        database = contender.start(services)
        with ExitStack() as running:
            commands = [contender.worker(database, services, number) for number in range(contender.workers)]
            workers = [running.enter_context(Process(one.arguments, environment=one.environment)) for one in commands]
            wait_until(lambda: all(" ready." in one.said() for one in workers), 30, "the workers are ready")
            before, before_service = cpu(workers), service_cpu()
            seconds = run_program(contender.sender(database, services, recipients))["seconds"]
            taken, taken_service = cpu(workers) - before, service_cpu() - before_service
        return {
            "per_second": recipients / seconds,
            "cpu_us": taken / recipients * 1e6,
            "service_cpu_us": taken_service / recipients * 1e6,
        }

    def service_cpu() -> float:
        return services.postgres.cpu_seconds() + services.redis.cpu_seconds()

    return in_rounds(services, "broadcast", contenders, LATENCIES_MS, settings.rounds, measure)


def cpu(workers: Sequence[Process]) -> float:
    return sum(cpu_seconds(worker.pid) for worker in workers)
