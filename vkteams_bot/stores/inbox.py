"""The inbox: updates are stored, together with the poll offset, before the next poll acknowledges them.

Every statement that changes the status of an update stands here.

    insert ──► pending ──── finish ────► done | unhandled | failed      (also invalid, skipped at birth)
               ▲  ▲   │                                  │      │
               │  │   ├─ start ─► running (suspects) ────┤      │
               │  │   │              ▲ end_alone         │      │
               │  │   └─ start_alone ─► alone ───────────┤      │
               │  └── put_back, recover ──────┘          │      │
               └── take_retried ── retry ◄── retry (an operator) ┘
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from django.db import connection
from django.db.models import F
from django.utils import timezone
from pydantic_core import to_json

from vkteams_bot.api.types import Event
from vkteams_bot.fsm import StateKey
from vkteams_bot.models import Update
from vkteams_bot.models.updates import UpdateQuerySet
from vkteams_bot.stores import sql

CRASHES_ALLOWED = 3
MOST_COUNTED = 10_000
"""What was running in so many crashes runs alone from then on."""
CRASHES_ALONE = 2
"""So many more while it ran alone, and it is given up."""
GAVE_UP = "The process died twice while this update alone was running. Retry it when the cause is found."


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event on its way in, with the conversation it belongs to."""

    event: Event
    key: StateKey | None
    skip: bool = False


@dataclass(frozen=True, slots=True)
class StoredUpdate:
    """A row of the inbox that waits. `suspect`: a process died while it may have been running."""

    id: int
    raw: Any
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of an update."""

    id: int
    status: str
    handler: str = ""
    error: str = ""


def event_number(event: Event) -> int:
    """The event's id; for one without, a negative number made of its content, so that it too is stored once."""
    if event.event_id is not None:
        return event.event_id
    try:
        content = to_json(event.raw)
    except ValueError:
        content = repr(event.raw).encode("utf-8", "replace")
    return -int.from_bytes(hashlib.blake2b(content, digest_size=7).digest()) - 1


def insert(account_id: int, epoch: int, incoming: Sequence[Incoming], now: datetime) -> dict[int, int]:
    """Store events; event number -> row id of those that were not stored before, under whichever numbering."""
    names = ("event_id", "type", "chat_id", "user_id", "payload", "status", "error")
    same = {"account_id": account_id, "epoch": epoch, "created_at": sql.time_parameter(now)}
    rows = [
        (
            event_number(item.event),
            item.event.type[:64],
            sql.identifier(item.key.chat_id) if item.key else "",
            sql.identifier(item.key.user_id) if item.key else "",
            sql.json_parameter(item.event.raw),
            _first_status(item),
            item.event.problem or "",
        )
        for item in incoming
    ]
    new = "ON CONFLICT (account_id, event_id, epoch) DO NOTHING RETURNING event_id, id"
    if epoch:  # the server may also show again what it had under that number before
        new = (
            f"AND NOT EXISTS (SELECT 1 FROM {sql.table(Update)} AS old WHERE old.account_id = {int(account_id)} "
            f"AND old.event_id = given.event_id AND old.epoch < {int(epoch)} AND old.payload = given.payload) {new}"
        )
    return dict(sql.insert(Update, names, rows, same=same, ordered=True, then=new))


def stored_after(account_id: int, epoch: int, after: int, incoming: Sequence[Incoming]) -> dict[int, int]:
    """Which of these events beyond `after` stand here already: event number -> row id."""
    numbers = [item.event.event_id for item in incoming if item.event.event_id is not None]
    mine = Update.objects.filter(account_id=account_id, epoch=epoch, status=Update.Status.PENDING, event_id__in=numbers)
    return dict(mine.filter(event_id__gt=after).values_list("event_id", "pk"))


def _first_status(item: Incoming) -> str:
    if item.event.payload is None:
        return Update.Status.INVALID
    return Update.Status.SKIPPED if item.skip else Update.Status.PENDING


def finish(finished: Sequence[Finished], now: datetime) -> None:
    """Record outcomes."""
    columns = sql.columns(Update, "id", "status", "handler", "error")
    updates = sql.table(Update)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {updates} SET status = done.status, handler = done.handler, error = done.error, done_at = %s "
            f"FROM ({sql.source(columns)}{sql.at_most(len(finished))}) AS done WHERE {updates}.id = done.id",
            [
                sql.time_parameter(now),
                sql.rows_parameter([(i.id, i.status, i.handler[:255], i.error) for i in finished]),
            ],
        )


def put_back(ids: Collection[int]) -> None:
    """Note that suspects were stopped in order: they wait again, and no crash counts."""
    marked = (Update.Status.RUNNING, Update.Status.ALONE)
    Update.objects.filter(pk__in=ids, status__in=marked).update(status=Update.Status.PENDING)


def start(ids: Collection[int]) -> None:
    """Note, before suspects run again, that they run; one that runs alone keeps its own mark."""
    Update.objects.filter(pk__in=ids, status=Update.Status.PENDING).update(status=Update.Status.RUNNING)


def start_alone(update_id: int) -> None:
    """Note, before a suspect runs, that no other update of its bot does."""
    Update.objects.filter(pk=update_id, status=Update.Status.PENDING).update(
        status=Update.Status.ALONE, alone_runs=F("alone_runs") + 1
    )


def end_alone(update_id: int) -> bool:
    """Note, before others run beside it, that a suspect is not alone any more; False: it has finished."""
    alone = Update.objects.filter(pk=update_id, status=Update.Status.ALONE)
    return bool(alone.update(status=Update.Status.RUNNING))


def recover(account_id: int, *, crashed: str) -> int:
    """After a start. Count a crash of the process `crashed` for what was (or may have been) running in it.

    Fresh updates carry no mark of having been started, since that would cost a commit each: all that waited at the
    first crash are suspects, and only suspects are marked before they run again. Many may have been running at a crash,
    and one is to blame, or none when the process was killed from outside: after the third they run alone (see
    `crashing`), and only one that ran alone in two more is given up. Returns how many were.
    """
    mine = Update.objects.filter(account_id=account_id)
    fresh = mine.filter(status=Update.Status.PENDING, attempts=0)
    running = mine.filter(status=Update.Status.RUNNING)
    alone = mine.filter(status=Update.Status.ALONE)
    given_up = 0
    if crashed:
        for charged in (fresh, running.filter(attempts__lt=CRASHES_ALLOWED), alone):
            charged.update(attempts=F("attempts") + 1, crashed_in=crashed)
        given_up = alone.filter(attempts__gte=CRASHES_ALLOWED + CRASHES_ALONE).update(
            status=Update.Status.FAILED, error=GAVE_UP, done_at=timezone.now()
        )
    for marked in (running, alone):
        marked.update(status=Update.Status.PENDING)
    return given_up


def acquit(account_id: int, owner: str) -> None:
    """Take back the crash that was counted for the process `owner`, which is alive: it only lost its lease.

    What was given up for it is handled again.
    """
    charged = Update.objects.filter(account_id=account_id, crashed_in=owner).exclude(crashed_in="")
    given_up = charged.filter(status=Update.Status.FAILED, attempts__gte=CRASHES_ALLOWED + CRASHES_ALONE)
    given_up.update(status=Update.Status.RETRY, error="", done_at=None)
    charged.update(attempts=F("attempts") - 1, crashed_in="")


def crashing(account_id: int) -> list[StoredUpdate]:
    """What was running in so many crashes that it must run alone.

    Those that ran alone least often come first: neither one that is hit by kills from outside nor one that hangs keeps
    the others from their turn. Within a conversation the order stays.
    """
    rows = Update.objects.filter(account_id=account_id, status=Update.Status.PENDING, attempts__gte=CRASHES_ALLOWED)
    turns: dict[tuple[str, str], int] = {}
    found: list[tuple[int, StoredUpdate]] = []
    names = ("pk", "payload", "alone_runs", "chat_id", "user_id")
    for key, payload, runs, chat_id, user_id in rows.order_by("pk").values_list(*names):
        turn = turns[chat_id, user_id] = max(runs, turns.get((chat_id, user_id), 0))
        found.append((turn, StoredUpdate(key, payload)))
    return [update for _, update in sorted(found, key=itemgetter(0))]


def pending(account_id: int, after: int, limit: int) -> list[StoredUpdate]:
    """A page of what waits, in order."""
    rows = Update.objects.filter(account_id=account_id, status=Update.Status.PENDING, pk__gt=after)
    page = rows.order_by("pk").values_list("pk", "payload", "attempts")[:limit]
    return [StoredUpdate(key, payload, attempts > 0) for key, payload, attempts in page]


def pending_of(account_id: int, key: StateKey, after: int, until: int, limit: int) -> list[StoredUpdate]:
    """A page of what waits in one conversation, in order, up to the id `until`."""
    rows = Update.objects.filter(
        account_id=account_id,
        status=Update.Status.PENDING,
        chat_id=sql.identifier(key.chat_id),
        user_id=sql.identifier(key.user_id),
        pk__gt=after,
        pk__lte=until,
    )
    page = rows.order_by("pk").values_list("pk", "payload", "attempts")[:limit]
    return [StoredUpdate(update_id, payload, attempts > 0) for update_id, payload, attempts in page]


def backlog(account_id: int) -> tuple[int, datetime | None]:
    """How many updates wait, counted up to MOST_COUNTED, and since when the oldest does."""
    rows = Update.objects.filter(account_id=account_id, status=Update.Status.PENDING)
    oldest = rows.order_by("pk").values_list("created_at", flat=True).first()
    return (rows[:MOST_COUNTED].count(), oldest) if oldest is not None else (0, None)


def retried(account_id: int) -> UpdateQuerySet:
    """What an operator wants to have run again."""
    return Update.objects.filter(account_id=account_id, status=Update.Status.RETRY)


def take_retried(account_id: int, limit: int) -> list[StoredUpdate]:
    """Claim what an operator wants to have run again."""
    page = list(retried(account_id).order_by("pk").values_list("pk", "payload", "attempts")[:limit])
    if page:
        Update.objects.filter(pk__in=[key for key, *_ in page]).update(status=Update.Status.PENDING)
    return [StoredUpdate(key, payload, attempts > 0) for key, payload, attempts in page]


def retry(updates: UpdateQuerySet) -> int:
    """An operator lets the bot handle failed, unhandled and skipped ones again, within seconds; how many."""
    return updates.filter(status__in=Update.RETRYABLE).update(
        status=Update.Status.RETRY, error="", attempts=0, alone_runs=0, crashed_in="", done_at=None
    )


def skip_pending(account_id: int) -> int:
    """Mark all that waits as skipped; how many."""
    mine = Update.objects.filter(account_id=account_id)
    # One by one: see the indexes of Update.
    return sum(mine.filter(status=status).update(status=Update.Status.SKIPPED) for status in Update.UNFINISHED)
