"""Who changes a status stands in one place each."""

import re
from pathlib import Path

import pytest

import vkteams_bot

ROOT = Path(vkteams_bot.__file__).parent
WRITERS = {
    "stores/outbox.py": r"OutgoingCall",
    "stores/inbox.py": r"Update",
    "broadcasts/lifecycle.py": r"Broadcast",
}
QUERY_UPDATE = re.compile(r"\.update\(\s*(?:[^()]|\([^()]*\))*\bstatus\s*=", re.DOTALL)
RAW_UPDATE = re.compile(r"SET status")
ATTRIBUTE = re.compile(r"\b(call|row|update|broadcast)\.status\s*=[^=]")


@pytest.mark.parametrize("pattern", [QUERY_UPDATE, RAW_UPDATE, ATTRIBUTE])
def test_a_status_is_written_where_its_life_stands(pattern: re.Pattern[str]):
    looked, elsewhere = 0, []
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if "migrations" in name:
            continue
        looked += 1
        if name not in WRITERS and pattern.search(path.read_text(encoding="utf-8")):
            elsewhere.append(name)
    assert looked > 200
    assert elsewhere == []


def test_the_writers_write():
    for name in WRITERS:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert any(pattern.search(text) for pattern in (QUERY_UPDATE, RAW_UPDATE, re.compile("status=Status"))), name
