"""messages/*"""

from __future__ import annotations

from vkteams_bot.api.methods import (
    AnswerCallbackQuery,
    DeleteMessages,
    EditText,
    SendFile,
    SendText,
    SendTextWithDeeplink,
    SendVoice,
)
from vkteams_bot.api.types import ParseMode
from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.endpoints.quotes import Sending, quotes, several
from vkteams_bot.emulator.endpoints.registry import Answer, serves
from vkteams_bot.emulator.filestore import StoredFile
from vkteams_bot.emulator.markup import plain_and_ranges
from vkteams_bot.emulator.message import Message, Part, Ranges, Rows
from vkteams_bot.emulator.people import BotAccount
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.world import World
from vkteams_bot.keyboards import InlineKeyboardBuilder, InlineKeyboardMarkup

DELETE_WINDOW_SECONDS = 48 * 3600


@serves(SendText)
@serves(SendTextWithDeeplink)
def send_text(world: World, bot: BotAccount, call: SendText | SendTextWithDeeplink) -> Answer:
    chat = world.directory.chat_for_bot(bot, call.chat_id)
    parts = quotes(world, bot, chat, call)
    if not call.text and not parts:
        raise Refusal("Missing required parameter 'text'")
    text, ranges = _plain(world, call.text, call)
    return _send(world, bot, chat, call, parts, text, ranges)


@serves(SendFile)
@serves(SendVoice)
def send_file(world: World, bot: BotAccount, call: SendFile | SendVoice) -> Answer:
    chat = world.directory.chat_for_bot(bot, call.chat_id)
    parts = quotes(world, bot, chat, call)
    caption, ranges = "", Ranges()
    if isinstance(call, SendFile):
        caption, ranges = _plain(world, call.caption or "", call)
    stored = _stored(world, call)
    parts.append(stored.part(caption, ranges, voice=isinstance(call, SendVoice)))
    parts += world.directory.mentions(caption)
    text = "" if caption else world.file_url(stored.file_id)
    return {"fileId": stored.file_id, **_send(world, bot, chat, call, parts, text, {})}


@serves(EditText)
def edit_text(world: World, bot: BotAccount, call: EditText) -> Answer:
    chat = world.directory.chat_for_bot(bot, call.chat_id)
    message = chat.find(call.msg_id)
    if message.sender.user_id != bot.user_id:
        raise Refusal("Permission denied")
    if not call.text:
        raise Refusal("Missing required parameter 'text'")
    text, ranges = _plain(world, call.text, call)
    keyboard = _rows(call)
    if keyboard is None and world.behaviour.edit_without_keyboard == "keep":
        keyboard = message.keyboard
    world.revise(chat, message, text, ranges, keyboard)
    return {}


@serves(DeleteMessages)
def delete_messages(world: World, bot: BotAccount, call: DeleteMessages) -> Answer:
    """All or none. One that is deleted already counts as done."""
    chat = world.directory.chat_for_bot(bot, call.chat_id)
    ids = [str(msg_id) for msg_id in several(call.msg_id)]
    found = [chat.messages[msg_id] for msg_id in ids if msg_id in chat.messages]
    if len(found) < len(ids):
        raise Refusal("msgId not found")
    for message in found:
        _check_deletion(world, bot, chat, message)
    for message in found:
        if not message.deleted:
            world.remove(chat, message)
    return {}


@serves(AnswerCallbackQuery)
def answer_callback_query(world: World, bot: BotAccount, call: AnswerCallbackQuery) -> Answer:
    query = world.queries.find(bot, call.query_id)
    world.answer_query(query, {"text": call.text or "", "showAlert": bool(call.show_alert), "url": call.url or ""})
    return {}


def _send(
    world: World, bot: BotAccount, chat: Chat, call: Sending, parts: list[Part], text: str, ranges: Ranges
) -> Answer:
    keyboard = _rows(call)
    key = (bot.user_id, call.request_id or "")
    dedupe = world.behaviour.dedupe_request_id and call.request_id
    if dedupe and key in world.sent_by_request_id:
        return world.sent_by_request_id[key]
    message = world.post(chat, bot.user, text=text, format=ranges, parts=parts, keyboard=keyboard)
    world.counters["sends"] += 1
    answer = {"msgId": message.msg_id}
    if dedupe:
        world.sent_by_request_id[key] = answer
    return answer


def _plain(world: World, text: str, call: SendText | SendTextWithDeeplink | SendFile | EditText) -> tuple[str, Ranges]:
    parse_mode = call.parse_mode if isinstance(call.parse_mode, ParseMode) else None
    return plain_and_ranges(text, parse_mode, call.format, strict_escapes=world.behaviour.strict_escapes)


def _rows(call: Sending | EditText) -> Rows | None:
    """The keyboard as events show it; None when the call has none. Raises Refusal for a button that does nothing."""
    markup = call.inline_keyboard_markup
    if isinstance(markup, InlineKeyboardBuilder):
        markup = markup.as_markup()
    if markup is None:
        return None
    if any(button.url is None and button.callback_data is None for button in markup.buttons):
        raise Refusal("Bad request")
    return _wire(markup)


def _wire(markup: InlineKeyboardMarkup) -> Rows:
    rows: Rows = markup.model_dump(mode="json", by_alias=True, exclude_none=True)
    return rows


def _stored(world: World, call: SendFile | SendVoice) -> StoredFile:
    if call.file_id is not None:
        return world.files.find(call.file_id)
    if call.file is None or not call.file.content:
        raise Refusal("Invalid file")
    return world.files.add(call.file.filename, call.file.content, voice=isinstance(call, SendVoice))


def _check_deletion(world: World, bot: BotAccount, chat: Chat, message: Message) -> None:
    own = message.sender.user_id == bot.user_id
    if not own and bot.user_id not in chat.admins:
        raise Refusal("Permission denied")
    if world.now() - message.timestamp >= DELETE_WINDOW_SECONDS:
        raise Refusal("Permission denied")
