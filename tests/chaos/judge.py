"""What was promised against what happened: the emulator's record, and what the database says of it."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.databases import Database
from tests.chaos.people import Messenger

WAITING = ("pending", "running", "retry")


@dataclass
class Tally:
    items: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    unknown: int = 0
    unknown_arrived: int = 0
    """Of these, so many did arrive."""
    failed: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        if len(self.examples) < 8:
            self.examples.append(example)


def expected_replies(written: dict[str, list[str]]) -> dict[str, list[str]]:
    """By chat, what the bot has to say in which order."""
    found: dict[str, list[str]] = {}
    for who, texts in written.items():
        replies = found[who] = []
        for count, text in enumerate(texts, start=1):
            reply = f"{text} {count}"
            replies += [f"{reply} a", f"{reply} b"] if text.startswith("rows ") else [reply]
    return found


def is_quiet(database: Database, written: int, calls: int = 0) -> bool:
    """So many updates and calls are stored, none waits, no call is on its way."""
    updates, statuses = database.updates(), database.call_statuses()
    return (
        updates.total() >= written
        and not any(updates[status] for status in WAITING)
        and statuses.total() >= calls
        and not statuses["queued"]
        and not statuses["sending"]
    )


def judge(database: Database, messenger: Messenger, others: dict[str, list[str]] | None = None) -> Tally:
    """`others`: by chat, what was delayed or broadcast, in the order of writing."""
    tally = Tally()
    _judge_updates(tally, database.updates(), messenger.count())
    expected = expected_replies(messenger.written) | (others or {})
    tally.items = messenger.count() + sum(map(len, (others or {}).values()))
    rows: dict[str, dict[str, list[str]]] = {}
    for chat_id, text, status in database.calls():
        rows.setdefault(chat_id, {}).setdefault(text, []).append(status)
    for who, texts in expected.items():
        _judge_chat(tally, who, texts, messenger.said(who), rows.get(who, {}))
    return tally


def _judge_updates(tally: Tally, updates: Counter[str], written: int) -> None:
    tally.failed += updates["failed"] + updates["invalid"] + updates["unhandled"]
    missing = written - updates.total()
    if missing:
        tally.lost += abs(missing)
        tally.note(f"{written} were written, {updates.total()} are stored")
    if waiting := sum(updates[status] for status in WAITING):
        tally.lost += waiting
        tally.note(f"{waiting} updates still wait")
    if tally.failed:
        tally.note(f"updates: {dict(updates)}")


def _judge_chat(tally: Tally, who: str, expected: list[str], arrived: list[str], rows: dict[str, list[str]]) -> None:
    count = Counter(arrived)
    for text in expected:
        statuses = rows.get(text) or rows.get("", [])  # the row of a broadcast does not carry the text
        if count[text] > 1 or len(statuses) > 1:
            tally.doubled += max(count[text], len(statuses)) - 1
            tally.note(f"{who}: {text!r} arrived {count[text]} times, rows {statuses}")
        if "unknown" in statuses:
            tally.unknown += 1
            tally.unknown_arrived += min(count[text], 1)
        elif "failed" in statuses:
            tally.failed += 1
            tally.note(f"{who}: {text!r} failed")
        elif not count[text]:
            tally.lost += 1
            tally.note(f"{who}: {text!r} did not arrive, rows {statuses}")
        elif statuses != ["sent"]:
            tally.lost += 1
            tally.note(f"{who}: {text!r} arrived, rows {statuses}")
    place = {text: index for index, text in enumerate(expected)}
    # A reply that nobody expects carries a count that is not its conversation's: a state was lost, or used twice.
    if strange := [text for text in arrived if text not in place]:
        tally.disordered += len(strange)
        tally.note(f"{who}: unexpected {strange[:3]}")
    order = [place[text] for text in dict.fromkeys(arrived) if text in place]
    if wrong := sum(later < earlier for earlier, later in itertools.pairwise(order)):
        tally.disordered += wrong
        tally.note(f"{who}: order {arrived[:20]}")
