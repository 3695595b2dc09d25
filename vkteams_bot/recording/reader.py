"""A conversation out of the database: what people did from the inbox, as long as it is kept, and from the chat log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from vkteams_bot.api.types import CallbackQuery, DeletedMessage, EditedMessage, EventType, Message, ParseMode
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.emulator.formatting import plain_and_ranges
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.keyboards import InlineKeyboardMarkup
from vkteams_bot.models import Chat, ChatMessage, OutgoingCall, Update
from vkteams_bot.recording.conversation import Act, Attachment, Conversation, Exchange, Reply
from vkteams_bot.registry import bots

KINDS = (EventType.NEW_MESSAGE, EventType.EDITED_MESSAGE, EventType.DELETED_MESSAGE, EventType.CALLBACK_QUERY)
KEYBOARD = "inlineKeyboardMarkup"


@dataclass(frozen=True, slots=True)
class _Moment:
    """Something that happened. `reply` None: the bot deleted its message; `act` stands for what people do."""

    at: datetime
    act: Act | None = None
    msg_id: str = ""
    reply: Reply | None = None


def read(chat: Chat, last: int) -> Conversation:
    """The last `last` acts of the people of a chat, and what the bot wrote after each."""
    conversation = Conversation(chat.account.alias, chat.chat_id, chat.type == Chat.Type.PRIVATE, chat.title)
    log = ChatMessage.objects.of_chat(chat.pk).select_related("contact").order_by("-pk")
    rows = {row.msg_id: row for row in reversed(log[: last * 20])}
    acts = list(_acts(chat, rows, last))[-last:]
    if not acts:
        return conversation
    for row in rows.values():
        if row.contact is not None:
            conversation.people[row.contact.user_id] = row.contact.first_name, row.contact.last_name
    said = [row for row in rows.values() if row.direction == ChatMessage.Direction.OUT]
    moments = sorted([*acts, *_said(chat, said)], key=lambda moment: moment.at)
    conversation.exchanges = list(_exchanges(moment for moment in moments if moment.at >= acts[0].at))
    return conversation


def _acts(chat: Chat, rows: dict[str, ChatMessage], last: int) -> Iterator[_Moment]:
    """What people did, in order. What the inbox no longer has comes from the log, with its latest text."""
    mine = Q(chat_id=chat.chat_id) | Q(chat_id="", user_id=chat.chat_id)
    updates = Update.objects.filter(mine, account=chat.account_id, type__in=KINDS).order_by("-pk")
    seen: dict[str, str] = {}  # message id -> its author
    stored: list[_Moment] = []
    for update in reversed(updates[:last]):
        payload = decode_event(update.payload, None).payload
        if payload is None or payload.chat.chat_id != chat.chat_id:
            continue
        if isinstance(payload, Message) and not isinstance(payload, EditedMessage) and payload.from_user is not None:
            seen[payload.msg_id] = payload.from_user.user_id
        author = _author(payload, seen, rows)
        act = _act(payload, author, rows) if author else None
        if act is not None:
            stored.append(_Moment(update.created_at, act))
    logged = [row for row in rows.values() if row.contact is not None and row.msg_id not in seen]
    first = stored[0].at if stored else None
    for row in logged:
        if row.contact is not None and row.deleted_at is None and (first is None or row.sent_at < first):
            yield _Moment(row.sent_at, _sent(row.contact.user_id, row.msg_id, row.text, *_attached(row.parts or ())))
    yield from stored


def _author(payload: Any, seen: dict[str, str], rows: dict[str, ChatMessage]) -> str | None:
    person = getattr(payload, "from_user", None)
    if person is not None:
        return str(person.user_id)
    msg_id = str(getattr(payload, "msg_id", ""))
    row = rows.get(msg_id)
    return seen.get(msg_id) or (row.contact.user_id if row is not None and row.contact is not None else None)


def _act(payload: Any, author: str, rows: dict[str, ChatMessage]) -> Act | None:
    match payload:
        case CallbackQuery():
            return _press(payload, author, rows)
        case DeletedMessage():
            return Act(author, "deletes", "", payload.msg_id)
        case EditedMessage():
            return Act(author, "edits", payload.content or "", payload.msg_id)
        case Message() if payload.is_edited:  # the ghost of a deletion
            return None
        case Message():
            parts = [part.model_dump(by_alias=True, mode="json") for part in payload.parts]
            return _sent(author, payload.msg_id, payload.content or "", *_attached(parts))
    return None


def _sent(author: str, msg_id: str, text: str, attachment: Attachment | None, name: str, unknown: str) -> Act:
    if attachment is not None and text.startswith(("http://", "https://")):
        text = ""  # the address that stands for a missing caption
    return Act(author, "sends", text, msg_id, attachment, name, unknown)


def _attached(parts: Iterable[Any]) -> tuple[Attachment | None, str, str]:
    """What hangs on a message, a name for it, and what of it is not recorded."""
    unknown = ""
    for part in parts:
        kind, payload = part.get("type"), part.get("payload") or {}
        if kind == "sticker":
            return "sticker", str(payload.get("fileId", "")), unknown
        if kind == "voice":
            return "voice", "voice.ogg", "the content of the file is not recorded"
        if kind == "file":
            endings = {"image": "image.png", "video": "video.mp4", "audio": "audio.mp3"}
            return "file", endings.get(str(payload.get("type")), "file.bin"), "the content of the file is not recorded"
        if kind in ("reply", "forward"):
            unknown = f"it was a {kind}"
    return None, "", unknown


def _press(payload: CallbackQuery, author: str, rows: dict[str, ChatMessage]) -> Act:
    message = payload.message
    boards: list[InlineKeyboardMarkup | None] = []
    if isinstance(message, Message):
        row = rows.get(message.msg_id)
        boards = [message.inline_keyboard, _keyboard(row.parts) if row is not None else None]
    buttons = [button for board in boards if board is not None for button in board.buttons]
    label = next((button.text for button in buttons if button.callback_data == payload.callback_data), None)
    if label is None:
        return Act(author, "clicks", "", unknown=f"a button with the data {payload.callback_data!r}: its label is gone")
    return Act(author, "clicks", label)


def _keyboard(parts: Any) -> InlineKeyboardMarkup | None:
    rows = next((part["payload"] for part in parts or () if part.get("type") == KEYBOARD), None)
    return None if rows is None else InlineKeyboardMarkup.model_validate(rows)


def _said(chat: Chat, rows: list[ChatMessage]) -> Iterator[_Moment]:
    """Every message of the bot: when it came, when it was edited, when it was deleted."""
    ids = [row.msg_id for row in rows]
    calls = OutgoingCall.objects.filter(account=chat.account_id, msg_id__in=ids).values_list("msg_id", "params")
    originals = {msg_id: _original(params) for msg_id, params in calls if "text" in params}
    default = bots[chat.account.alias].parse_mode
    for row in rows:
        latest = Reply(_plain(row.text, default), _labels(_keyboard(row.parts)))
        unknown = latest if row.edited_at is None else Reply(None)
        yield _Moment(row.sent_at, msg_id=row.msg_id, reply=originals.get(row.msg_id, unknown))
        if row.edited_at is not None:
            yield _Moment(row.edited_at, msg_id=row.msg_id, reply=latest)
        if row.deleted_at is not None:
            yield _Moment(row.deleted_at, msg_id=row.msg_id)


def _original(params: dict[str, Any]) -> Reply:
    """What a message said at first, out of the call that sent it: the log has its latest text."""
    rows = params.get(KEYBOARD)
    board = InlineKeyboardMarkup.model_validate_json(rows) if rows else None
    return Reply(_plain(params["text"], params.get("parseMode")), _labels(board))


def _labels(board: InlineKeyboardMarkup | None) -> tuple[str, ...]:
    return tuple(button.text for button in board.buttons) if board is not None else ()


def _plain(text: str, parse_mode: str | None) -> str:
    """A text as people see it; the log has it as it was sent."""
    try:
        return plain_and_ranges(text, ParseMode(parse_mode) if parse_mode else None, None)[0]
    except Refusal:
        return text


def _exchanges(moments: Iterable[_Moment]) -> Iterator[Exchange]:
    exchange: Exchange | None = None
    standing: dict[str, Reply] = {}
    for moment in moments:
        if moment.act is not None:
            if exchange is not None:
                exchange.replies = list(standing.values())
                yield exchange
            exchange, standing = Exchange(moment.act), {}
            continue
        standing.pop(moment.msg_id, None)
        if moment.reply is not None:
            standing[moment.msg_id] = moment.reply
    if exchange is not None:
        exchange.replies = list(standing.values())
        yield exchange
