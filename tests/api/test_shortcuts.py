"""What a handler writes with: shortcuts of messages, nodes as texts, downloads."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.fakes import MSG_ID, FakeTransport, answer, bot_over
from vkteams_bot.api import InputFile
from vkteams_bot.api.methods import DeleteMessages, EditText, PinMessage, SendFile, SendText, SendVoice, UnpinMessage
from vkteams_bot.api.types import Format, ParseMode, Range, SentMessage, UserProfile
from vkteams_bot.api.types.events import decode_event
from vkteams_bot.exceptions import InvalidCall, RoutingError
from vkteams_bot.routing.replies import replies_of
from vkteams_bot.text import Bold, Link, Text

CAPTURES = json.loads((Path(__file__).parent / "captures.json").read_text())
THREAD_ID = "2601@chat.agent"
FILE = InputFile(b"x", filename="f.txt")
BOLD = Format(bold=(Range(offset=0, length=1),))


def received(name, bot=None, **changes):
    raw = json.loads(json.dumps(CAPTURES[name]))
    raw["payload"] |= changes
    return decode_event(raw, bot or bot_over(FakeTransport(answer(msgId=MSG_ID)))).payload


# Sending.


@pytest.mark.parametrize(
    ("make", "method"),
    [
        (lambda m: m.answer("t"), SendText(THREAD_ID, "t")),
        (lambda m: m.answer(Bold("t")), SendText(THREAD_ID, "t", parse_mode=None, format=BOLD)),
        (lambda m: m.reply("t"), SendText(THREAD_ID, "t")),
        (lambda m: m.answer_file(FILE, caption="c"), SendFile(THREAD_ID, FILE, caption="c")),
        (lambda m: m.answer_file(file_id="Z"), SendFile(THREAD_ID, file_id="Z")),
        (lambda m: m.answer_voice(FILE), SendVoice(THREAD_ID, FILE)),
        (lambda m: m.answer_voice(file_id="I"), SendVoice(THREAD_ID, file_id="I")),
    ],
)
def test_answers_to_a_message_of_a_thread_stay_there(make, method):
    """Without a quote, too: servers refuse it in threads."""
    assert make(received("thread")).take() == method


def test_answer_with_a_file_takes_all_options():
    message = received("group")
    options = {"inline_keyboard_markup": None, "reply_msg_id": 5, "forward_chat_id": None, "forward_msg_id": None}
    made = message.answer_file(FILE, caption="<b>c</b>", parse_mode="HTML", **options)
    assert made.take() == SendFile(
        message.chat.chat_id, FILE, caption="<b>c</b>", parse_mode=ParseMode.HTML, reply_msg_id=5
    )
    assert message.answer_voice(FILE, **options).take() == SendVoice(message.chat.chat_id, FILE, reply_msg_id=5)


def test_sent_message_can_be_worked_with(face):
    bot = bot_over(FakeTransport(answer(msgId=MSG_ID)))

    async def main():
        return await bot.send_text("c", "t")

    sent = asyncio.run(main()) if face == "async" else bot.send_text("c", "t").send()
    assert type(sent) is SentMessage
    calls: list[Any] = [
        sent.reply("r"),
        sent.reply(Bold("r"), parse_mode=None),
        sent.edit_text(Bold("e")),
        sent.delete(),
        sent.pin(),
        sent.unpin(),
    ]
    assert [call.take() for call in calls] == [
        SendText("c", "r", reply_msg_id=MSG_ID),
        SendText("c", "r", reply_msg_id=MSG_ID, parse_mode=None, format=BOLD),
        EditText("c", MSG_ID, "e", parse_mode=None, format=BOLD),
        DeleteMessages("c", MSG_ID),
        PinMessage("c", MSG_ID),
        UnpinMessage("c", MSG_ID),
    ]


def test_message_under_a_pressed_button_can_be_worked_with():
    query = received("callback")
    chat_id, msg_id = query.message.chat.chat_id, query.message.msg_id
    assert query.message.edit_text(Bold("e")).take() == EditText(chat_id, msg_id, "e", parse_mode=None, format=BOLD)
    assert query.message.delete().take() == DeleteMessages(chat_id, msg_id)
    assert query.message.reply("r").take() == SendText(chat_id, "r", reply_msg_id=msg_id)


# Nodes.


def sent_forms(make, **options):
    transport = FakeTransport(answer(msgId=MSG_ID))
    make(bot_over(transport, **options)).send()
    return {name: values[0] for name, values in transport.forms[0].items() if name != "token"}


NODE = Text("🙂 <a> *b* ", Bold("c"), " ", Link("d", "https://e.ru/?a=1&b=2"))
PLAIN = "🙂 <a> *b* c d"


@pytest.mark.parametrize("parse_mode", [None, "HTML", "MarkdownV2"])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda bot: bot.send_text("c", NODE), "text"),
        (lambda bot: bot.send_text_with_deeplink("c", NODE, "d"), "text"),
        (lambda bot: bot.edit_text("c", 1, NODE), "text"),
        (lambda bot: bot.send_file("c", file_id="Z", caption=NODE), "caption"),
    ],
)
def test_nodes_arrive_as_they_are_whatever_the_bots_parse_mode(make, name, parse_mode):
    form = sent_forms(make, parse_mode=parse_mode)
    assert form[name] == PLAIN
    assert "parseMode" not in form
    assert json.loads(form["format"]) == NODE.as_format()[1]
    assert json.loads(form["format"])["bold"] == [{"offset": 11, "length": 1}]


def test_node_without_styles_is_plain_text():
    form = sent_forms(lambda bot: bot.send_text("c", Text("<a> ", "b")), parse_mode="HTML")
    assert form == {"chatId": "c", "text": "<a> b"}


def test_handler_may_return_nodes():
    bot = bot_over(FakeTransport(answer()))
    options = {"bot": bot, "chat_id": "c", "handler": "h"}
    bold = SendText("c", "t", parse_mode=None, format=BOLD)
    assert replies_of(Bold("t"), **options) == (bold,)
    assert replies_of(["u", Bold("t"), bot.send_text("d", Bold("t"))], **options) == (
        SendText("c", "u"),
        bold,
        SendText("d", "t", parse_mode=None, format=BOLD),
    )
    with pytest.raises(RoutingError, match=r"a node such as Bold\(\.\.\.\)"):
        replies_of(5, **options)


# Files.


class Downloads:
    """A bot as far as messages download with it."""

    def __init__(self):
        self.asked = []

    def download(self, file, destination=None, **options):
        self.asked.append((file.file_id, destination, options))
        return Done(f"{destination}{file.file_id}")


class Done:
    def __init__(self, result):
        self.result = result

    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return self.result

    def send(self):
        return self.result


def file_part(file_id, kind="file"):
    return {"type": kind, "payload": {"fileId": file_id}}


PARTS = [file_part("A"), {"type": "mention", "payload": {"userId": "u"}}, file_part("I", "voice"), file_part("B")]


def finish(made, face):
    async def main():
        return await made

    return asyncio.run(main()) if face == "async" else made.send()


@pytest.mark.parametrize(("kind", "file_id"), [("file", "Z"), ("voice", "I"), ("sticker", "2")])
def test_first_file_voice_or_sticker_is_downloaded(kind, file_id, face):
    bot = Downloads()
    message = received("plain", bot, parts=[PARTS[1], file_part(file_id, kind), file_part("later")])
    assert finish(message.download("dir/", max_size=5), face) == f"dir/{file_id}"
    assert bot.asked == [(file_id, "dir/", {"max_size": 5})]


def test_all_are_downloaded_in_their_order(face, tmp_path):
    bot = Downloads()
    made = received("plain", bot, parts=PARTS).download_all(tmp_path, max_size=5)
    assert bot.asked == []
    assert finish(made, face) == [f"{tmp_path}/{name}" for name in "AIB"]
    assert bot.asked == [(name, f"{tmp_path}/", {"max_size": 5}) for name in "AIB"]


def test_message_without_files(face, tmp_path):
    message = received("plain")
    with pytest.raises(InvalidCall, match="carries no file, voice or sticker"):
        message.download()
    assert finish(message.download_all(tmp_path), face) == []


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("newMessage", lambda message: message),
        ("editedMessage", lambda message: message),
        ("pinnedMessage", lambda message: message),
        ("reply", lambda message: message.reply_to),
        ("forward", lambda message: message.forwards[0]),
    ],
)
def test_every_kind_of_message_gives_its_files(kind, of, face):
    bot = Downloads()
    raw = json.loads(json.dumps(CAPTURES["plain"]))
    if kind in ("reply", "forward"):
        raw["payload"]["parts"] = [{"type": kind, "payload": {"message": {"msgId": "1", "parts": PARTS}}}]
    else:
        raw = raw | {"type": kind}
        raw["payload"]["parts"] = PARTS
    message = of(decode_event(raw, bot).payload)
    assert [attachment.file_id for attachment in message.attachments] == ["A", "I", "B"]
    assert finish(message.download(), face) == "NoneA"


def test_profile_is_a_user():
    profile = UserProfile(user_id="a@corp", first_name="Ann", last_name="Lee", about="x")
    assert (profile.full_name, profile.mention) == ("Ann Lee", "@[a@corp]")
