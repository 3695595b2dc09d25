"""The five measurements. Each runs its contenders in interleaved rounds and keeps every round's numbers."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from harness.contenders import Bot, Command, Library
from harness.processes import Process, cpu_seconds, machine_seconds, rss_mb
from harness.services import LoadServer, Missing, Services, wait_until

C = TypeVar("C", bound=Library | Bot)
Round = dict[str, float]  # metric -> value
Results = dict[str, dict[str, list[Round | None]]]  # group -> contender -> rounds, None where one failed

CHATS = 500
LATENCIES_MS = (0, 30)


@dataclass(frozen=True)
class Settings:
    rounds: int
    quick: bool


@dataclass
class Measured:
    results: Results = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # contender -> why
    broken: bool = False  # a failure that was not a missing service
    others: float = 0  # share of the machine's CPU that processes outside the benchmark took meanwhile


def in_rounds(
    services: Services,
    name: str,
    contenders: Sequence[C],
    variants: Sequence[int],
    rounds: int,
    measure: Callable[[C, int], dict[str, Round]],
) -> Measured:
    """Rounds outermost, so that a slow minute of the machine hits everybody; each round begins with somebody else."""
    measured = Measured()
    busy, everything = machine_seconds()
    own = _own_seconds(services)
    for turn in range(rounds):
        first = turn % len(contenders)
        for variant in variants:
            for contender in [*contenders[first:], *contenders[:first]]:
                if contender.name in measured.failures:
                    continue
                try:
                    groups = measure(contender, variant)
                except (Missing, TimeoutError, RuntimeError, subprocess.SubprocessError) as error:
                    measured.failures[contender.name] = str(error)
                    measured.broken |= not isinstance(error, Missing)
                    print(f"{name}: {contender.name}: FAILED: {error}", file=sys.stderr, flush=True)
                    continue
                for group, numbers in groups.items():
                    rows = measured.results.setdefault(group, {}).setdefault(contender.name, [])
                    rows += [None] * (turn - len(rows)) + [numbers]
                    shown = ", ".join(f"{key} {value:.4g}" for key, value in numbers.items())
                    print(f"{name} {turn + 1}/{rounds} | {group} | {contender.name}: {shown}", flush=True)
    busy_now, everything_now = machine_seconds()
    others = (busy_now - busy) - (_own_seconds(services) - own)
    measured.others = max(0.0, others / (everything_now - everything))
    return measured


def _own_seconds(services: Services) -> float:
    """CPU of this process, of the children that ended, and of the servers, which have not."""
    return sum(os.times()[:4]) + services.cpu_seconds()


def run_program(command: Command, seconds: float = 300) -> Any:
    finished = subprocess.run(
        command.arguments,
        env={**os.environ, **command.environment},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if finished.returncode:
        raise RuntimeError(finished.stderr[-2000:])
    return json.loads(finished.stdout.splitlines()[-1])


# -- 1. client ---------------------------------------------------------------------------------------------------------


def client(services: Services, settings: Settings, libraries: Sequence[Library]) -> Measured:
    server = services.load_server
    repeats = {0: (300, 30, 10, 3), 30: (30, 10, 5, 2)}
    names = ("one by one", "10 at once", "100 at once", "1000 at once")

    def measure(library: Library, latency: int) -> dict[str, Round]:
        server.control("reset")
        server.control("config", latency_us=latency * 1000)
        cases: list[dict[str, Any]] = [
            {"name": name, "size": size, "repeat": max(1, repeat // (3 if settings.quick else 1))}
            for name, size, repeat in zip(names, (1, 10, 100, 1000), repeats[latency], strict=True)
        ]
        result = run_program(library.program("client", [server.api_url, json.dumps(cases)]))
        stats = server.control("stats", brief=1)
        expected = sum(case["size"] * (case["repeat"] + 1) for case in cases)
        if stats["sends"] != expected:
            raise RuntimeError(f"{stats['sends']} requests arrived instead of {expected}")
        return {f"{name}, {latency} ms": result[name] for name in names}

    return in_rounds(services, "client", libraries, LATENCIES_MS, settings.rounds, measure)


# -- 2. dispatch -------------------------------------------------------------------------------------------------------


def dispatch(services: Services, settings: Settings, libraries: Sequence[Library]) -> Measured:
    def measure(library: Library, events: int) -> dict[str, Round]:
        result = run_program(library.program("dispatch", [str(events)]))
        return {
            "decoding a batch of 100": {"us": result["decode_us"]},
            "1 handler": {"us": result["dispatch_1_us"]},
            "50 handlers, the last one matches": {"us": result["dispatch_50_us"]},
        }

    return in_rounds(services, "dispatch", libraries, [1000 if settings.quick else 3000], settings.rounds, measure)


# -- bots --------------------------------------------------------------------------------------------------------------


class RunningBot:
    """A bot process that polled once and answered one message in each of 50 chats."""

    def __init__(self, bot: Bot, services: Services, latency_ms: int):
        self.server = services.load_server
        self.server.control("reset")
        self.server.control("config", latency_us=latency_ms * 1000)
        self.command = bot.start(services)
        self.process = Process(self.command.arguments, environment=self.command.environment)
        try:
            self._until(lambda: self.server.control("stats", brief=1)["polls"] > 0, 30, "a first poll")
            self.server.control("load", events=50, chats=50)
            self._until(lambda: self.server.control("stats", brief=1)["replied"] == 50, 30, "50 replies to 50 messages")
            time.sleep(0.5)
        except BaseException:
            self.process.stop()
            raise

    def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        try:
            wait_until(lambda: not self.process.running or condition(), seconds, what)
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{self.process.said()}") from None
        self.check()

    def check(self) -> None:
        if not self.process.running:
            raise RuntimeError(f"the bot ended:\n{self.process.said()}")

    def service_cpu(self) -> float:
        return self.command.service.cpu_seconds() if self.command.service else 0.0

    def __enter__(self) -> "RunningBot":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()


def _drain(server: LoadServer, patience: float, limit: float) -> None:
    """Gives no more events and waits for the replies to those given, until none came for `patience` seconds."""
    server.control("hold")
    end, last, since = time.monotonic() + limit, -1, time.monotonic()
    while time.monotonic() < end:
        stats = server.control("stats", brief=1)
        if not stats["missing"]:
            return
        if stats["replied"] != last:
            last, since = stats["replied"], time.monotonic()
        if time.monotonic() - since > patience:
            return
        time.sleep(0.1)


# -- 3. end to end -----------------------------------------------------------------------------------------------------


def end_to_end(services: Services, settings: Settings, bots: Sequence[Bot]) -> Measured:
    server = services.load_server
    events, seconds = (3000, 3.0) if settings.quick else (20_000, 8.0)

    def measure(bot: Bot, latency: int) -> dict[str, Round]:
        with RunningBot(bot, services, latency) as running:
            pid = running.process.pid
            cpu, service_cpu, server_cpu, rss = (
                cpu_seconds(pid),
                running.service_cpu(),
                server.cpu_seconds(),
                rss_mb(pid),
            )
            peak, begin = rss, time.monotonic()
            server.control("load", events=events, chats=CHATS)
            while time.monotonic() - begin < seconds and server.control("stats", brief=1)["replied"] < events:
                time.sleep(0.25)
                running.check()
                peak = max(peak, rss_mb(pid))
            _drain(server, patience=3, limit=60)
            cpu, service_cpu = cpu_seconds(pid) - cpu, running.service_cpu() - service_cpu
            server_cpu = server.cpu_seconds() - server_cpu
            peak = max(peak, rss_mb(pid))
            time.sleep(0.5)  # for a reply that comes twice
            stats = server.control("stats")
        wall = (stats["last_reply"] - stats["first_given"]) / 1e9
        replied = stats["replied"]
        if not replied:
            raise RuntimeError("no reply")
        return {
            f"{latency} ms": {
                "per_second": replied / wall,
                "replied": replied,
                "lost": stats["missing"],
                "doubled": sum(stats[key] for key in ("duplicates", "wrong_chat", "stale", "foreign")),
                "out_of_order": stats["out_of_order"],
                "cpu_seconds": cpu,
                "cpu_us": cpu / replied * 1e6,
                "service_cpu_us": service_cpu / replied * 1e6,
                "server_busy": server_cpu / wall,
                "rss_growth_mb": peak - rss,
                "rss_mb": peak,
                "connections": stats["peak_connections"],
            }
        }

    return in_rounds(services, "end to end", bots, LATENCIES_MS, settings.rounds, measure)


# -- 4. a lone message -------------------------------------------------------------------------------------------------


def lone(services: Services, settings: Settings, bots: Sequence[Bot]) -> Measured:
    server = services.load_server
    events = 50 if settings.quick else 200

    def measure(bot: Bot, latency: int) -> dict[str, Round]:
        with RunningBot(bot, services, latency) as running:
            cpu = cpu_seconds(running.process.pid)
            server.control("load", events=events, chats=10, drip_us=50_000)
            deadline = time.monotonic() + events * 0.05 * 1.3 + 10
            while time.monotonic() < deadline and server.control("stats", brief=1)["replied"] < events:
                time.sleep(0.25)
                running.check()
            cpu = cpu_seconds(running.process.pid) - cpu
            stats = server.control("stats")
        if stats["replied"] != events:
            raise RuntimeError(f"{stats['replied']} replies to {events} messages")
        times = stats["since_available_us"]
        return {
            f"{latency} ms": {
                "p50_ms": times["p50"] / 1e3,
                "p95_ms": times["p95"] / 1e3,
                "p99_ms": times["p99"] / 1e3,
                "cpu_us": cpu / events * 1e6,
            }
        }

    return in_rounds(services, "lone message", bots, [0], settings.rounds, measure)


# -- 5. memory ---------------------------------------------------------------------------------------------------------


def memory(services: Services, settings: Settings, bots: Sequence[Bot]) -> Measured:
    server = services.load_server
    events = 10_000 if settings.quick else 100_000
    marks = {share: events * share // 100 for share in (20, 60, 100)}

    def measure(bot: Bot, latency: int) -> dict[str, Round]:
        with RunningBot(bot, services, latency) as running:
            pid = running.process.pid
            numbers: Round = {"rss_0_mb": rss_mb(pid)}
            server.control("load", events=events, chats=CHATS, window=1)
            begin = time.monotonic()
            for share, mark in marks.items():
                while (stats := server.control("stats", brief=1))["replied"] < mark:
                    if time.monotonic() - begin > 900:
                        raise RuntimeError(f"only {stats['replied']} of {events} events in 900 s")
                    time.sleep(0.2)
                    running.check()
                numbers[f"rss_{share}_mb"] = rss_mb(pid)
            stats = server.control("stats", brief=1)
            numbers["per_second"] = events / ((stats["last_reply"] - stats["first_given"]) / 1e9)
            numbers["doubled"] = stats["duplicates"]
        return {f"{events} events": numbers}

    return in_rounds(services, "memory", bots, [0], 1, measure)
