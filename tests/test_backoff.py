"""Pauses, and the table of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vkteams_bot import backoff
from vkteams_bot.backoff import Backoff

TABLE = {name: entry for name, entry in vars(backoff).items() if isinstance(entry, Backoff)}


@given(st.integers(1, 10**9), st.floats(0.01, 10), st.floats(1, 4), st.floats(0.1, 100))
def test_a_pause_stays_within_its_bounds(failures: int, first: float, factor: float, longest: float) -> None:
    full = min(longest, first * factor ** min(failures - 1, 32))
    assert full / 2 <= Backoff(first=first, factor=factor, longest=longest).pause(failures) <= full


def test_pauses_of_many_processes_are_spread() -> None:
    assert len({Backoff().pause(3) for _ in range(100)}) > 90


@pytest.mark.parametrize("name", TABLE)
def test_every_entry_of_the_table_waits_and_ends(name: str) -> None:
    entry = TABLE[name]
    assert 0 < entry.first <= entry.longest <= 60


def test_the_table_is_the_only_one() -> None:
    """A module that makes a back-off of its own would be the second table."""
    root = Path(backoff.__file__).parent
    modules = [path for path in root.rglob("*.py") if path.name != "backoff.py"]
    assert len(modules) > 100
    assert [str(path) for path in modules if re.search(r"\bBackoff\(", path.read_text(encoding="utf-8"))] == []
