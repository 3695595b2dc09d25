"""The chat log: what people wrote and what the bot sent, with edits applied and deletions marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from vkteams_bot.api.methods import (
    DeleteMessages,
    EditText,
    Method,
    SendFile,
    SendText,
    SendTextWithDeeplink,
    SendVoice,
)
from vkteams_bot.api.types import Chat as ApiChat
from vkteams_bot.api.types import DeletedMessage, EditedMessage, Event, Message, SentMessage
from vkteams_bot.api.types import User as ApiUser
from vkteams_bot.api.types.chats import ChatType, type_of
from vkteams_bot.models import ChatMessage
from vkteams_bot.stores import sql
from vkteams_bot.stores.chat_directory import ChatDirectory


@dataclass(slots=True)
class Entry:
    """One line of the log, or an edit or deletion of one."""

    chat: ApiChat
    msg_id: str
    direction: str
    sent_at: datetime
    text: str | None = None
    author: ApiUser | None = None
    parts: Any = None
    edited_at: datetime | None = None
    deleted: bool = False


def incoming(event: Event, now: datetime) -> Entry | None:
    """What an event adds to the log."""
    payload = event.payload
    if isinstance(payload, Message):
        edited = payload.edited_timestamp
        is_ghost = edited is not None and not isinstance(payload, EditedMessage) and payload.content is None
        if is_ghost and not payload.parts:
            return Entry(payload.chat, payload.msg_id, ChatMessage.Direction.IN, now, deleted=True)
        return Entry(
            payload.chat,
            payload.msg_id,
            ChatMessage.Direction.IN,
            _moment(payload.timestamp, now) if payload.timestamp is not None else now,
            text=payload.content,
            author=payload.from_user,
            parts=event.raw["payload"].get("parts") if payload.parts else None,
            edited_at=_moment(edited, now) if edited is not None else None,
        )
    if isinstance(payload, DeletedMessage):
        return Entry(payload.chat, payload.msg_id, ChatMessage.Direction.IN, now, deleted=True)
    return None


def outgoing(method: Method[Any], result: Any, now: datetime) -> list[Entry]:
    """What a call that succeeded adds to the log."""
    chat = ApiChat(chat_id=method.chat or "", type=_likely_type(method.chat or ""))
    out = ChatMessage.Direction.OUT
    if isinstance(method, SendText | SendTextWithDeeplink) and isinstance(result, SentMessage):
        return [Entry(chat, result.msg_id, out, now, text=str(method.text), parts=_parts(method))]
    if isinstance(method, SendFile | SendVoice) and isinstance(result, SentMessage):
        file_id = result.file_id or method.file_id
        part = {"type": "file" if isinstance(method, SendFile) else "voice", "payload": {"fileId": file_id}}
        caption = str(method.caption or "") if isinstance(method, SendFile) else None
        return [Entry(chat, result.msg_id, out, now, text=caption, parts=[part, *_parts(method)])]
    if isinstance(method, EditText):
        return [Entry(chat, str(method.msg_id), out, now, text=str(method.text), parts=_parts(method), edited_at=now)]
    if isinstance(method, DeleteMessages):
        ids = [method.msg_id] if isinstance(method.msg_id, str | int) else method.msg_id
        return [Entry(chat, str(msg_id), out, now, deleted=True) for msg_id in ids]
    return []


def write(entries: Iterable[Entry], directory: ChatDirectory, now: datetime) -> None:
    """Add to the log: a constant number of statements. Writing the same entry twice changes nothing."""
    latest = {(entry.chat.chat_id, _msg_id(entry), entry.deleted): entry for entry in entries}
    if not latest:
        return
    chats = directory.chats([entry.chat for entry in latest.values()], now)
    contacts = directory.contacts([entry.author for entry in latest.values() if entry.author], now)
    written = [entry for entry in latest.values() if not entry.deleted]
    deleted = [entry for entry in latest.values() if entry.deleted]
    if written:
        _upsert([_row(entry, chats, contacts) for entry in written])
    if deleted:
        _mark_deleted([(chats[entry.chat.chat_id], _msg_id(entry), sql.time_parameter(now)) for entry in deleted])


def _row(entry: Entry, chats: dict[str, int], contacts: dict[str, int]) -> sql.Row:
    return (
        chats[entry.chat.chat_id],
        _msg_id(entry),
        entry.direction,
        contacts[entry.author.user_id] if entry.author else None,
        entry.text or "",
        sql.json_parameter(entry.parts) if entry.parts else None,
        sql.time_parameter(entry.sent_at),
        sql.time_parameter(entry.edited_at),
    )


def _msg_id(entry: Entry) -> str:
    return sql.identifier(entry.msg_id, 64)


def _upsert(rows: Sequence[sql.Row]) -> None:
    names = ("chat_id", "msg_id", "direction", "contact_id", "text", "parts", "sent_at", "edited_at")
    edited = (
        "ON CONFLICT (chat_id, msg_id) DO UPDATE "
        "SET text = excluded.text, parts = excluded.parts, edited_at = excluded.edited_at "
        "WHERE excluded.edited_at IS NOT NULL"
    )
    sql.insert(ChatMessage, names, rows, ordered=True, then=edited)


def _mark_deleted(rows: Sequence[sql.Row]) -> None:
    source = sql.source({"chat_id": "int", "msg_id": "text", "at": "time"}) + sql.at_most(len(rows))
    log = sql.table(ChatMessage)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {log} SET deleted_at = gone.at FROM ({source}) AS gone "
            f"WHERE {log}.chat_id = gone.chat_id AND {log}.msg_id = gone.msg_id AND {log}.deleted_at IS NULL",
            [sql.rows_parameter(rows)],
        )


def _parts(method: Any) -> list[dict[str, Any]]:
    markup = method.inline_keyboard_markup
    if markup is None:
        return []
    return [
        {"type": "inlineKeyboardMarkup", "payload": markup.model_dump(by_alias=True, exclude_none=True, mode="json")}
    ]


def _likely_type(chat_id: str) -> str:
    """Only private chats show their type in their id (botapi.md §1.8); "" leaves what is known."""
    likely = type_of(chat_id)
    return likely if likely == ChatType.PRIVATE else ""


def _moment(timestamp: int, now: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (OverflowError, ValueError, OSError):
        return now
