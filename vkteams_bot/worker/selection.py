"""Which of the rows that are due go now: by priority, by the rate limit, one per chat."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from vkteams_bot.limits import Limiter, Priority, Share
from vkteams_bot.stores.candidates import Candidate

CHAT_SECONDS = 1.0
"""A chat whose own limit says wait is looked at again after this long, at most."""

NEXT_LOOK_SECONDS = 0.05
"""After a batch that the limit cut short."""


class ThrottledChats:
    """Chats whose own rate limit is used up, as this process knows."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def now(self) -> list[str]:
        moment = time.monotonic()
        self._until = {chat_id: until for chat_id, until in self._until.items() if until > moment}
        return list(self._until)

    def add(self, chat_id: str, seconds: float) -> None:
        self._until[chat_id] = time.monotonic() + min(seconds, CHAT_SECONDS)

    @property
    def seconds(self) -> float | None:
        """Until the first of them is free; None when there are none."""
        return max(0.0, min(self._until.values()) - time.monotonic()) if self._until else None


@dataclass(slots=True)
class Selection:
    """`wait`: seconds until the rate limit may have a turn for what was left out; None when nothing was."""

    chosen: list[Candidate] = field(default_factory=list)
    wait: float | None = None

    def left_out(self, seconds: float) -> None:
        self.wait = seconds if self.wait is None else min(self.wait, seconds)


def select(
    candidates: Sequence[Candidate], room: int, limiter: Limiter, shares: Mapping[int, Share], throttled: ThrottledChats
) -> Selection:
    """At most `room`, each with its turn taken from the limiter."""
    lanes: dict[tuple[Priority, int | None], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        lanes[candidate.priority, candidate.broadcast_id].append(candidate)
    selection = Selection()
    chats: set[str] = set()
    for priority in Priority:
        queues = [sorted(lane, key=lambda row: row.rank) for key, lane in lanes.items() if key[0] == priority]
        wanted = _one_per_chat(_in_turns(queues), chats, room - len(selection.chosen))
        for broadcast_id, rows in _by_broadcast(wanted).items():
            _take_turns(rows, limiter, shares.get(broadcast_id or 0), throttled, selection)
    return selection


def _in_turns(queues: Iterable[Sequence[Candidate]]) -> Iterable[Candidate]:
    """Round robin: no broadcast waits for another."""
    return filter(None, chain.from_iterable(zip_longest(*queues)))


def _one_per_chat(rows: Iterable[Candidate], chats: set[str], room: int) -> list[Candidate]:
    wanted: list[Candidate] = []
    for row in rows:
        if len(wanted) >= room:
            break
        if row.chat_id and row.chat_id in chats:
            continue
        chats.add(row.chat_id)
        wanted.append(row)
    return wanted


def _by_broadcast(rows: Iterable[Candidate]) -> dict[int | None, list[Candidate]]:
    rows_of: dict[int | None, list[Candidate]] = defaultdict(list)
    for row in rows:
        rows_of[row.broadcast_id].append(row)
    return rows_of


def _take_turns(
    rows: Sequence[Candidate], limiter: Limiter, share: Share | None, throttled: ThrottledChats, selection: Selection
) -> None:
    granted = limiter.take(len(rows), rows[0].priority, share)
    if granted.count < len(rows):
        selection.left_out(granted.wait or NEXT_LOOK_SECONDS)
    going = rows[: granted.count]
    in_chats = [row for row in going if row.chat_id]
    waits = dict(zip((row.id for row in in_chats), limiter.take_chats([row.chat_id for row in in_chats]), strict=True))
    for row in going:
        wait = waits.get(row.id, 0.0)
        if wait > 0:
            throttled.add(row.chat_id, wait)
            selection.left_out(min(wait, CHAT_SECONDS))
            limiter.give_back(1, share)
        else:
            selection.chosen.append(row)
