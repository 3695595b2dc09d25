"""The results of a broadcast as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django.utils import timezone

from vkteams_bot.models import Broadcast, Chat, Contact, OutgoingCall

COLUMNS = ("chat_id", "name", "status", "error", "sent_at", "msg_id")
BATCH_SIZE = 2_000
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export_csv(broadcast: Broadcast, *, batch_size: int = BATCH_SIZE) -> Iterator[str]:
    """The results as lines with their ends: the header first, then the rows in the order of sending.

    At most `batch_size` rows are in memory, and each batch costs two statements more.
    """
    line = _Line()
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    yield line.text
    rows = (
        OutgoingCall.objects.filter(broadcast=broadcast)
        .order_by("pk")
        .values_list("chat_id", "status", "error", "finished_at", "msg_id")
        .iterator(chunk_size=batch_size)
    )
    while batch := list(islice(rows, batch_size)):
        names = _names(broadcast.account_id, [chat_id for chat_id, *_rest in batch])
        for chat_id, status, error, finished_at, msg_id in batch:
            sent_at = _moment(finished_at) if status == OutgoingCall.Status.SENT else ""
            cells = (chat_id, names.get(chat_id, ""), status, error, sent_at, msg_id)
            writer.writerow([_safe(cell) for cell in cells])
            yield line.text


class _Line:
    """What csv writes into: it calls `write` once per row."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def _names(account_id: int, chat_ids: Sequence[str]) -> dict[str, str]:
    titles = Chat.objects.filter(account=account_id, chat_id__in=chat_ids).values_list("chat_id", "title")
    names: dict[str, str] = dict(titles)
    people: Any = Contact.objects.filter(user_id__in=chat_ids).only("user_id", "first_name", "last_name")
    names.update((contact.user_id, contact.full_name) for contact in people if contact.full_name)
    return names


def _moment(moment: datetime | None) -> str:
    return timezone.localtime(moment).isoformat(" ", "seconds") if moment is not None else ""


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
