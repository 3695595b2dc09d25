"""Tables of medians and ratios, and their place in README.md."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.paths import README
from harness.sections import Measured, Round


@dataclass(frozen=True)
class Metric:
    key: str
    heading: str
    better: str = ""  # "more", "less", or nothing: no ratio
    spread: bool = True


METRICS = {
    "client": [Metric("wall_ms", "wall, ms", "less"), Metric("cpu_us", "CPU per request, µs", "less")],
    "burst": [Metric("wall_ms", "wall, ms", "less"), Metric("cpu_us", "CPU per request, µs", "less")],
    "broadcast": [
        Metric("per_second", "messages per second", "more"),
        Metric("cpu_us", "CPU per message, µs", "less"),
        Metric("service_cpu_us", "of its database and broker", spread=False),
    ],
    "dispatch": [Metric("us", "per event, µs", "less")],
    "end-to-end": [
        Metric("per_second", "replies per second", "more"),
        Metric("cpu_us", "CPU per event, µs", "less"),
        Metric("service_cpu_us", "of its database", spread=False),
        Metric("cpu_seconds", "CPU in all, s", spread=False),
        Metric("replied", "events", spread=False),
        Metric("rss_growth_mb", "memory growth, MB", spread=False),
    ],
    "lone": [Metric("p50_ms", "p50, ms", "less"), Metric("p95_ms", "p95, ms", "less")],
    "memory": [
        Metric("rss_0_mb", "at start, MB"),
        Metric("rss_20_mb", "after 20 %"),
        Metric("rss_60_mb", "after 60 %"),
        Metric("rss_100_mb", "after 100 %"),
        Metric("per_second", "events per second"),
    ],
    "limit": [
        Metric("per_second", "sends per second"),
        Metric("of_limit", "of the limit, %"),
        Metric("p50_ms", "reply p50, ms"),
        Metric("p95_ms", "reply p95, ms"),
        Metric("p99_ms", "reply p99, ms"),
    ],
    "queue": [
        Metric("cpu_us", "CPU per delivery, µs", "less"),
        Metric("statements", "statements per delivery", "less"),
        Metric("per_second", "deliveries per second"),
    ],
    "testkit": [Metric("per_second", "exchanges per second"), Metric("cpu_us", "CPU per exchange, µs")],
}


def tables(section: str, measured: Measured, references: list[str], survives: dict[str, str]) -> str:
    """What a section measured, as Markdown."""
    text = ""
    if measured.results:
        names = list(dict.fromkeys(name for group in measured.results.values() for name in group))
        reference = next((name for name in references if name in names), names[0])
        if section in ("client", "burst", "dispatch"):
            text = _by_case(METRICS[section], measured, names, reference)
        else:
            text = _by_contender(METRICS[section], measured, reference, survives if section == "end-to-end" else {})
    busiest = max(
        (n.get("server_busy", 0) for g in measured.results.values() for r in g.values() for n in r if n), default=0
    )
    if busiest:
        text += f"The load server was busy for at most {busiest:.0%} of a run.\n"
    for name, why in measured.failures.items():
        text += f"\n{name}: not measured ({_reason(why)}).\n"
    return text


def _reason(why: str) -> str:
    """Its last line, without the paths of this machine."""
    return re.sub(r"/\S*/", "", (why.strip().splitlines() or ["failed"])[-1])


def _by_case(metrics: Sequence[Metric], measured: Measured, names: Sequence[str], reference: str) -> str:
    """A row per case, a column per contender; a table of ratios, then one of values, for each metric."""
    text = ""
    for metric in metrics:
        others = [name for name in names if name != reference]
        if others:
            rows = [
                [group, *(_ratio(metric, contenders, name, reference) for name in others)]
                for group, contenders in measured.results.items()
            ]
            text += _table([f"{metric.heading}: how many times better is **{reference}** than", *others], rows)
        rows = [
            [group, *(_value(metric, contenders.get(name, [])) for name in names)]
            for group, contenders in measured.results.items()
        ]
        text += _table([f"{metric.heading}", *names], rows)
    return text


def _by_contender(metrics: Sequence[Metric], measured: Measured, reference: str, survives: dict[str, str]) -> str:
    """A table per group, a row per contender, ratios before values."""
    text = ""
    for group, contenders in measured.results.items():
        compared = [metric for metric in metrics if metric.better] if len(contenders) > 1 else []
        head = [f"**{group}**", *(f"×: {metric.heading.partition(',')[0]}" for metric in compared)]
        head += [metric.heading for metric in metrics]
        if survives:
            head += ["lost / doubled / out of order", "survives a crash"]
        rows = []
        for name, rounds in contenders.items():
            cells = [f"**{name}**" if name == reference and compared else name]
            cells += ["1" if name == reference else _ratio(metric, contenders, name, reference) for metric in compared]
            cells += [_value(metric, rounds) for metric in metrics]
            if survives:
                faults = (sum(n[key] for n in rounds if n) for key in ("lost", "doubled", "out_of_order"))
                cells += [" / ".join(f"{fault:,.0f}" for fault in faults), survives.get(name, "")]
            rows.append(cells)
        if compared:
            text += f"×: how many times better is **{reference}** than the row.\n\n"
        text += _table(head, rows)
    return text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n"


def _figure(value: float) -> str:
    """Two decimals below 10, one below 100: more would be noise."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def _summary(values: list[float], spread: bool) -> str:
    if not values:
        return "–"
    middle, low, high = (_figure(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})" if spread and low != high else middle


def _value(metric: Metric, rounds: Sequence[Round | None]) -> str:
    return _summary([numbers[metric.key] for numbers in rounds if numbers and metric.key in numbers], metric.spread)


def _ratio(metric: Metric, contenders: dict[str, list[Round | None]], name: str, reference: str) -> str:
    """Taken round by round, then summed up; above 1 the reference is better: more per second, or less time."""
    pairs = zip(contenders.get(reference, []), contenders.get(name, []), strict=False)
    both = [(ours[metric.key], theirs[metric.key]) for ours, theirs in pairs if ours and theirs]
    ratios = [a / b if metric.better == "more" else b / a for a, b in both if a and b]
    return _summary(ratios, True)


def write(section: str, text: str) -> None:
    """Replaces the section's part of README.md, between its two markers."""
    begin, end = f"<!-- {section}: written by run --write -->", f"<!-- /{section} -->"
    readme = README.read_text()
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(readme):
        raise SystemExit(f"README.md has no place for {section!r}")
    README.write_text(pattern.sub(lambda _: f"{begin}\n\n{text.strip()}\n\n{end}", readme))
