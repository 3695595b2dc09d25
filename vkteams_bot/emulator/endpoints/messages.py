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
from vkteams_bot.api.types import Format, ParseMode
from vkteams_bot.emulator.behaviour import Behaviour
from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.endpoints.quotes import Sending, destination, quotes, several
from vkteams_bot.emulator.endpoints.register import Answer, serves
from vkteams_bot.emulator.filestore import StoredFile
from vkteams_bot.emulator.formatting import plain_and_ranges
from vkteams_bot.emulator.lengths import check_caption, check_keyboard, check_text
from vkteams_bot.emulator.message import Message, Part, Rows
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World
from vkteams_bot.keyboards import InlineKeyboardBuilder
from vkteams_bot.text.ranges import Ranges

DELETE_WINDOW_SECONDS = 48 * 3600


@serves(SendText)
@serves(SendTextWithDeeplink)
def send_text(world: World, bot: BotAccount, call: SendText | SendTextWithDeeplink) -> Answer:
    chat = destination(world, bot, call)
    parts = quotes(world, bot, chat, call)
    if not call.text and not _may_be_empty(world.behaviour, call, parts):
        raise Refusal("Missing required parameter 'text'")
    check_text(str(call.text), world.behaviour)
    text, ranges = _plain(world, str(call.text), call)
    return _send(world, bot, chat, call, parts, text, ranges)


@serves(SendFile)
@serves(SendVoice)
def send_file(world: World, bot: BotAccount, call: SendFile | SendVoice) -> Answer:
    chat = destination(world, bot, call)
    parts = quotes(world, bot, chat, call)
    caption, ranges = "", Ranges()
    if isinstance(call, SendFile):
        check_caption(str(call.caption or ""), world.behaviour)
        caption, ranges = _plain(world, str(call.caption or ""), call)
    stored = _stored(world, call)
    parts.append(stored.part(caption, ranges, voice=isinstance(call, SendVoice)))
    parts += world.directory.mentions(caption)
    text = "" if caption else world.address_as_text(stored.file_id)
    sent = _send(world, bot, chat, call, parts, text, {})
    again = call.file_id is not None and not world.behaviour.resend_file_id
    return sent if again else {"fileId": stored.file_id, **sent}


@serves(EditText)
def edit_text(world: World, bot: BotAccount, call: EditText) -> Answer:
    chat = world.directory.chat_for_bot(bot, call.chat_id)
    message = chat.find(call.msg_id)
    if message.sender.user_id != bot.user_id:
        raise Refusal("Permission denied")
    if not call.text:
        raise Refusal("Missing required parameter 'text'")
    check_text(str(call.text), world.behaviour)
    text, ranges = _plain(world, str(call.text), call)
    keyboard = _revised(world.behaviour, message, _rows(world, call))
    world.rate_limits.charge(bot, chat, world.behaviour)
    world.revise(chat, message, text, ranges, keyboard)
    return {}


@serves(DeleteMessages)
def delete_messages(world: World, bot: BotAccount, call: DeleteMessages) -> Answer:
    """All or none. One that is deleted already counts as done."""
    chat = world.directory.chat_for_bot(bot, call.chat_id)
    ids = [str(msg_id) for msg_id in several(call.msg_id)]
    messages = [chat.messages[msg_id] for msg_id in ids if msg_id in chat.messages]
    if len(messages) < len(ids):
        raise Refusal("msgId not found")
    for message in messages:
        _check_deletion(world, bot, chat, message)
    for message in messages:
        if not message.deleted:
            world.remove(chat, message, bot)
    return {}


@serves(AnswerCallbackQuery)
def answer_callback_query(world: World, bot: BotAccount, call: AnswerCallbackQuery) -> Answer:
    query = world.queries.find(bot, call.query_id)
    world.answer_query(query, {"text": call.text or "", "showAlert": bool(call.show_alert), "url": call.url or ""})
    return {}


def _send(
    world: World, bot: BotAccount, chat: Chat, call: Sending, parts: list[Part], text: str, ranges: Ranges
) -> Answer:
    keyboard = _rows(world, call)
    key = (bot.user_id, call.request_id or "")
    dedupe = world.behaviour.dedupe_request_id and call.request_id
    if dedupe and key in world.sent_by_request_id:
        return world.sent_by_request_id[key]
    first, *others = _one_each(parts) if world.behaviour.several_msg_ids else [parts]
    message = world.post(
        chat, bot.user, text=text, format=ranges, parts=first, keyboard=keyboard, deeplink=_deeplink(call)
    )
    more = [world.post(chat, bot.user, parts=forward).msg_id for forward in others]
    world.counters["sends"] += 1
    answer: Answer = {"msgId": [message.msg_id, *more] if more else message.msg_id}
    if dedupe:
        world.sent_by_request_id[key] = answer
    return answer


def _plain(world: World, text: str, call: SendText | SendTextWithDeeplink | SendFile | EditText) -> tuple[str, Ranges]:
    parse_mode = call.parse_mode if isinstance(call.parse_mode, ParseMode) else None
    ranges = call.format if isinstance(call.format, Format) else None
    return plain_and_ranges(text, parse_mode, ranges, world.behaviour)


def _may_be_empty(behaviour: Behaviour, call: SendText | SendTextWithDeeplink, parts: list[Part]) -> bool:
    """Whether a message may do without text."""
    if behaviour.empty_text == "refuse":
        return False
    return bool(parts) or (behaviour.empty_text == "keyboard" and call.inline_keyboard_markup is not None)


def _one_each(parts: list[Part]) -> list[list[Part]]:
    """The parts of a message each, when several messages are forwarded."""
    forwards = [[part] for part in parts if part["type"] == "forward"]
    return forwards if len(forwards) > 1 else [parts]


def _deeplink(call: Sending) -> str | None:
    return call.deeplink if isinstance(call, SendTextWithDeeplink) else None


def _revised(behaviour: Behaviour, message: Message, rows: Rows | None) -> Rows | None:
    """The keyboard after an edit. Raises Refusal."""
    if any(rows or ()):
        return rows
    how = behaviour.edit_without_keyboard if rows is None else behaviour.empty_keyboard
    if how == "refuse":
        raise Refusal("Bad request")
    return message.keyboard if how == "keep" else None


def _rows(world: World, call: Sending | EditText) -> Rows | None:
    """The keyboard as events show it; None when the call has none. Raises Refusal for a button that does nothing."""
    markup = call.inline_keyboard_markup
    if isinstance(markup, InlineKeyboardBuilder):
        markup = markup.as_markup()
    if markup is None:
        return None
    if any(button.url is None and button.callback_data is None for button in markup.buttons):
        raise Refusal("Bad request")
    rows: Rows = markup.model_dump(mode="json", by_alias=True, exclude_none=True)
    check_keyboard(rows, world.behaviour)
    return rows


def _stored(world: World, call: SendFile | SendVoice) -> StoredFile:
    if call.file_id is not None:
        return world.files.find(call.file_id)
    upload = call.upload
    if upload is None or not upload.content:
        raise Refusal("Invalid file")
    return world.files.add(upload.filename, upload.content, voice=isinstance(call, SendVoice))


def _check_deletion(world: World, bot: BotAccount, chat: Chat, message: Message) -> None:
    own = message.sender.user_id == bot.user_id
    if not own and bot.user_id not in chat.admins:
        raise Refusal("Permission denied")
    if world.now() - message.timestamp >= DELETE_WINDOW_SECONDS:
        raise Refusal("Permission denied")
