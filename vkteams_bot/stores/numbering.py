"""Events whose ids are not above the offset: shown again by the server, or the begin of a new numbering?

A server that was reset or moved may give out small ids again. Whoever asks it for what is above the old offset hears
nothing for ever.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vkteams_bot.api.types import Event, EventType
from vkteams_bot.models import BotAccount, Update
from vkteams_bot.stores import sql

LOOKED_AT = 100
"""So many of the newest and of the oldest updates are read for their times."""
RECENT = timedelta(hours=1)
"""What is younger is not pruned, and most is finished before."""
MARGIN_SECONDS = 300.0
"""The clocks of this machine and of the server may differ by so much."""
FUTURE_SECONDS = 86_400.0
"""An event that claims to come from so far ahead says nothing of the time."""


class Origin(enum.Enum):
    """What an event at or below the offset is."""

    STORED = enum.auto()
    """It stands in the inbox."""
    OLD = enum.auto()
    """It is so old that it may have been handled, and its row pruned."""
    OTHER = enum.auto()
    """Another one stands in the inbox under its number."""
    NEW = enum.auto()
    """It was never stored: nothing stands under its number, and nothing as young as it was pruned."""
    UNCLEAR = enum.auto()
    """Nothing stands under its number, and it does not say when it happened."""


@dataclass(frozen=True, slots=True)
class Review:
    """What an answer is.

    `events`: those to be stored; those that the server shows again are left out. `anew`: under a new numbering.
    `recognised`: something in it was there before, or goes on from the offset.
    """

    events: list[Event]
    anew: bool
    recognised: bool


def review(account_id: int, epoch: int, offset: int, events: Sequence[Event]) -> Review:
    """Judge the answer to a poll, of which something is not above the offset.

    A new numbering has begun when another event stands under a number, or when all that can be known of the answer is
    that it has never been here and yet does not reach the offset.
    """
    numbers = [event.event_id for event in events if event.event_id is not None]
    stored = _stored(account_id, [number for number in numbers if number <= offset])
    missing = any(number <= offset and epoch not in dict(stored.get(number, ())) for number in numbers)
    since = _complete_since(account_id) if missing else None
    origins = [
        None if event.event_id is None or event.event_id > offset else _origin(event, epoch, stored, since)
        for event in events
    ]
    goes_on = any(number > offset for number in numbers)
    anew = Origin.OTHER in origins or (Origin.NEW in origins and Origin.STORED not in origins and not goes_on)
    kept = {None, Origin.OTHER, Origin.NEW} | ({Origin.UNCLEAR} if anew else set())
    return Review(
        events=[event for event, origin in zip(events, origins, strict=True) if origin in kept],
        anew=anew,
        recognised=goes_on or Origin.STORED in origins or Origin.OLD in origins,
    )


def _stored(account_id: int, numbers: Sequence[int]) -> dict[int, list[tuple[int, Any]]]:
    """Event number -> numbering and content of the updates that have it."""
    found: dict[int, list[tuple[int, Any]]] = {}
    rows = Update.objects.filter(account_id=account_id, event_id__in=numbers)
    for number, epoch, payload in rows.values_list("event_id", "epoch", "payload"):
        found.setdefault(number, []).append((epoch, payload))
    return found


def _origin(event: Event, epoch: int, stored: dict[int, list[tuple[int, Any]]], since: float | None) -> Origin:
    assert event.event_id is not None
    rows = stored.get(event.event_id, [])
    if any(_is_same(event.raw, payload) for _, payload in rows):
        return Origin.STORED
    if any(of == epoch for of, _ in rows):
        return Origin.OTHER
    time = _time(event.raw)
    if time is None or since is None:
        return Origin.UNCLEAR
    return Origin.NEW if time >= since else Origin.OLD


def _is_same(raw: Any, payload: Any) -> bool:
    """Whether this is the event of a stored update. In doubt it is: nothing is to be handled twice."""
    if isinstance(payload, dict) and "unreadable" in payload:
        return True
    try:
        return bool(_identity(json.loads(sql.json_parameter(raw))) == _identity(payload))
    except (ValueError, OverflowError, RecursionError):
        return True


def _identity(raw: Any) -> Any:
    """What names the event; the rest may be shown differently another time, as the address of a file."""
    payload = raw.get("payload") if isinstance(raw, dict) else None
    if isinstance(payload, dict):
        name = payload.get("queryId") or payload.get("msgId")
        if name:
            return raw.get("type"), str(name)
    return raw


def _time(raw: Any) -> float | None:
    """When the event happened, by the server's clock. Only messages say it: others tell when a message was written."""
    payload = raw.get("payload") if isinstance(raw, dict) else None
    if not isinstance(payload, dict):
        return None
    names = {EventType.NEW_MESSAGE.value: "timestamp", EventType.EDITED_MESSAGE.value: "editedTimestamp"}
    time = payload.get(names.get(str(raw.get("type")), ""))
    return time if isinstance(time, int | float) else None


def _complete_since(account_id: int) -> float | None:
    """What happened from then on stands in the inbox if it was ever stored; None when that is not known."""
    stored_at = BotAccount.objects.values_list("last_event_at", flat=True).get(pk=account_id)
    if stored_at is None:
        return None
    moments = [_latest(account_id, stored_at)]
    rows = Update.objects.filter(account_id=account_id).order_by("pk")
    for status, created_at, done_at in rows.values_list("status", "created_at", "done_at")[:LOOKED_AT]:
        if status in Update.FINISHED and done_at is not None and done_at - created_at < RECENT:
            # Pruning goes by age, and would have taken this one first.
            moments.append(created_at.timestamp() + MARGIN_SECONDS)
            break
    return min(moments)


def _latest(account_id: int, stored_at: datetime) -> float:
    """Nothing that happened later was ever stored."""
    rows = Update.objects.filter(account_id=account_id).order_by("-pk")
    newest = list(rows.values_list("created_at", "payload")[:LOOKED_AT])
    if newest and newest[0][0] >= stored_at:  # what came last is still there
        recent = ((moment, _time(payload)) for moment, payload in newest if stored_at - moment < RECENT)
        times = [time for moment, time in recent if time is not None and time < moment.timestamp() + FUTURE_SECONDS]
        if times:
            return max(times)
    return stored_at.timestamp() + MARGIN_SECONDS
