"""The table of a run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.judge import Tally

COLUMNS = (
    "test",
    "database",
    "items",
    "faults",
    "lost",
    "doubled",
    "out of order",
    "wrongly failed",
    "unknown (of these arrived)",
    "unknown per fault",
    "recovery, s: median",
    "worst, s",
    "verdict",
)


class Skipped(Exception):
    """What a scenario needs is not there: root, or a service."""


@dataclass
class Outcome:
    """What one scenario showed on one database."""

    name: str
    database: str
    faults: int = 0
    tally: Tally = field(default_factory=Tally)
    seconds: list[float] = field(default_factory=list)
    """From each fault until a person who writes then is answered."""
    broken: list[str] = field(default_factory=list)
    unpromised: list[str] = field(default_factory=list)
    """What the README does not speak of, and what somebody may have hoped for."""
    notes: list[str] = field(default_factory=list)
    skipped: str = ""
    took: float = 0.0

    @property
    def verdict(self) -> str:
        if self.skipped:
            return f"skipped: {self.skipped}"
        if self.broken:
            return f"**broken**: {'; '.join(self.broken)}"
        if self.unpromised:
            return f"not promised: {'; '.join(self.unpromised)}"
        return "; ".join(["kept", *self.notes])

    def cells(self) -> list[str]:
        if self.skipped:
            return [self.name, self.database, *[""] * (len(COLUMNS) - 3), self.verdict]
        tally = self.tally
        return [
            self.name,
            self.database,
            f"{tally.items}",
            f"{self.faults}",
            f"{tally.lost}",
            f"{tally.doubled}",
            f"{tally.disordered}",
            f"{tally.failed}",
            f"{tally.unknown} ({tally.unknown_arrived})" if tally.unknown else "0",
            f"{tally.unknown / self.faults:.1f}" if self.faults else "",
            f"{statistics.median(self.seconds):.1f}" if self.seconds else "",
            f"{max(self.seconds):.1f}" if self.seconds else "",
            self.verdict,
        ]


def markdown(outcomes: Iterable[Outcome]) -> str:
    lines = [COLUMNS, ["---"] * 2 + ["---:"] * (len(COLUMNS) - 3) + ["---"], *(outcome.cells() for outcome in outcomes)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
