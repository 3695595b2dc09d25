"""The judge of the kill suite (tests/chaos) finds what it looks for."""

from collections import Counter
from typing import Any

import pytest

from tests.chaos.databases import Database
from tests.chaos.judge import Tally, expected_replies, judge
from tests.chaos.people import Messenger
from tests.chaos.report import Outcome, markdown

WRITTEN = {"a@x": ["echo 0", "rows 1", "slow 2"]}
SAID = ["echo 0 1", "rows 1 2 a", "rows 1 2 b", "slow 2 3"]


class Record(Messenger):
    """An emulator that has these messages of the bot."""

    def __init__(self, said: list[str]) -> None:
        super().__init__("http://nowhere")
        self.written = WRITTEN
        self._said = said

    def said(self, who: str) -> list[str]:
        return self._said


class Rows(Database):
    """A database in which all updates are done and all replies sent, but for these."""

    def __init__(self, updates: dict[str, int] | None = None, **statuses: str) -> None:
        self._updates = updates or {"done": 3}
        self._statuses = statuses

    def updates(self) -> Counter[str]:
        return Counter(self._updates)

    def calls(self) -> list[tuple[str, str, str]]:
        texts = [text for text in SAID if self._statuses.get(text.split()[0]) != "absent"]
        return [("a@x", text, self._statuses.get(text.split()[0], "sent")) for text in texts]


def counts(tally: Tally) -> dict[str, Any]:
    names = ("lost", "doubled", "disordered", "unknown", "unknown_arrived", "failed")
    return {name: getattr(tally, name) for name in names if getattr(tally, name)}


def test_what_is_expected():
    assert expected_replies(WRITTEN) == {"a@x": SAID}


@pytest.mark.parametrize(
    ("said", "rows", "found"),
    [
        (SAID, Rows(), {}),
        (SAID[:3], Rows(), {"lost": 1}),
        (SAID[:3], Rows(slow="absent"), {"lost": 1}),
        (SAID[:3], Rows(slow="failed"), {"failed": 1}),
        (SAID[:3], Rows(slow="unknown"), {"unknown": 1}),
        (SAID, Rows(slow="unknown"), {"unknown": 1, "unknown_arrived": 1}),
        (SAID, Rows(slow="queued"), {"lost": 1}),
        ([*SAID, "slow 2 3"], Rows(), {"doubled": 1}),
        ([*SAID, "slow 2 3"], Rows(slow="unknown"), {"doubled": 1, "unknown": 1, "unknown_arrived": 1}),
        ([SAID[1], SAID[0], *SAID[2:]], Rows(), {"disordered": 1}),
        ([*SAID, "slow 2 1"], Rows(), {"disordered": 1}),
        (SAID, Rows({"done": 2}), {"lost": 1}),
        (SAID, Rows({"done": 2, "running": 1}), {"lost": 1}),
        (SAID, Rows({"done": 2, "failed": 1}), {"failed": 1}),
    ],
)
def test_what_is_found(said: list[str], rows: Rows, found: dict[str, int]):
    assert counts(judge(rows, Record(said))) == found


def test_a_broadcast_counts_too():
    tally = judge(Rows(), Record(SAID), {"a@x": SAID})
    assert tally.items == 7


def test_the_table():
    kept = Outcome("a kill", "SQLite", faults=4, tally=Tally(items=100, unknown=6), seconds=[1.0, 2.0, 4.0])
    table = markdown([kept, Outcome("a cut", "PostgreSQL", skipped="needs root")]).splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert table[2] == "| a kill | SQLite | 100 | 4 | 0 | 0 | 0 | 0 | 6 (0) | 1.5 | 2.0 | 4.0 | kept |"
    assert table[3].endswith("| skipped: needs root |")
    assert Outcome("x", "y", broken=["1 lost"]).verdict == "**broken**: 1 lost"
