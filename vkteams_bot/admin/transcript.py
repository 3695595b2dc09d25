"""The log of one chat as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from vkteams_bot.models import Chat, ChatMessage

SHOWN = 50
LARGEST_KEY = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Line:
    """One message; `day` is set on the first of a day."""

    message: ChatMessage
    day: Any
    follows: bool
    """Whether the line above has the same author."""
    attachments: list[str]
    buttons: list[list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A page of a chat's log, oldest first. `older` and `newer` are keys to go on from, None at the ends."""

    lines: list[Line]
    older: int | None
    newer: int | None

    @classmethod
    def of(cls, chat: Chat, *, before: str | None = None, after: str | None = None) -> Transcript:
        rows = ChatMessage.objects.of_chat(chat.pk).select_related("contact")
        upward, downward = _key(after), _key(before)
        if upward is not None:
            page = list(rows.filter(pk__gt=upward).order_by("pk")[: SHOWN + 1])
            older, newer = bool(page), len(page) > SHOWN
            page = page[:SHOWN]
        else:
            if downward is not None:
                rows = rows.filter(pk__lt=downward)
            page = list(rows.order_by("-pk")[: SHOWN + 1])
            older, newer = len(page) > SHOWN, downward is not None
            page = page[:SHOWN][::-1]
        if not page:
            return cls([], None, None)
        return cls(list(_lines(page)), page[0].pk if older else None, page[-1].pk if newer else None)


def _key(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and int(text) <= LARGEST_KEY else None


def _lines(messages: list[ChatMessage]) -> Iterator[Line]:
    day = author = None
    for message in messages:
        sent = timezone.localtime(message.sent_at).date()
        who = (message.direction, message.contact_id)
        is_new_day = sent != day
        stored = message.parts if isinstance(message.parts, list) else []
        parts = [part for part in stored if isinstance(part, dict)]
        yield Line(
            message,
            sent if is_new_day else None,
            who == author and not is_new_day,
            [label for part in parts if (label := _attachment(part))],
            [row for part in parts for row in _buttons(part)],
        )
        day, author = sent, who


def _attachment(part: dict[str, Any]) -> str:
    """A part of a message in a few words; "" for a part that shows elsewhere."""
    value = part.get("payload")
    payload: dict[str, Any] = value if isinstance(value, dict) else {}
    match part.get("type"):
        case "file":
            kinds = {"image": _("Image"), "video": _("Video"), "audio": _("Audio")}
            return kinds.get(str(payload.get("type")), _("File"))
        case "voice":
            return _("Voice message")
        case "sticker":
            return _("Sticker")
        case "reply":
            return _("In reply to: %(text)s") % {"text": _quoted(payload)}
        case "forward":
            return _("Forwarded: %(text)s") % {"text": _quoted(payload)}
        case "mention" | "inlineKeyboardMarkup":
            return ""
    return str(part.get("type") or _("Attachment"))


def _quoted(payload: dict[str, Any]) -> str:
    message = payload.get("message")
    text = message.get("text") if isinstance(message, dict) else None
    return str(text or "…")[:200]


def _buttons(part: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    rows = part.get("payload") if part.get("type") == "inlineKeyboardMarkup" else None
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, list):
            yield [button for button in row if isinstance(button, dict)]
