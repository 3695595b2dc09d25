"""Each method on the wire, byte by byte (botapi.md §1.3, §2), and back."""

import asyncio
import contextlib
import dataclasses
import email
import email.policy
import json
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.fakes import API_URL, MSG_ID, TOKEN, FakeTransport, answer, bot_over, send
from vkteams_bot.api import Bot, InputFile, ParseMode
from vkteams_bot.api.methods import (
    METHODS,
    AddChatMembers,
    AnswerCallbackQuery,
    BlockUser,
    CreateChat,
    DeleteChatMembers,
    DeleteMessages,
    EditText,
    GetBlockedUsers,
    GetChatAdmins,
    GetChatInfo,
    GetChatMembers,
    GetEvents,
    GetFileInfo,
    GetMe,
    GetPendingUsers,
    PinMessage,
    ResolvePending,
    SendActions,
    SendFile,
    SendText,
    SendTextWithDeeplink,
    SendVoice,
    SetChatAbout,
    SetChatAvatar,
    SetChatRules,
    SetChatTitle,
    ThreadsAdd,
    ThreadsAutosubscribe,
    ThreadsGetSubscribers,
    UnblockUser,
    UnpinMessage,
    WireError,
)
from vkteams_bot.api.methods.base import wire_value
from vkteams_bot.api.types import Format, LinkRange, ParentTopic, PreRange, Range
from vkteams_bot.api.unset import UNSET
from vkteams_bot.exceptions import CallError, InvalidCall
from vkteams_bot.keyboards import Button, InlineKeyboardBuilder, InlineKeyboardMarkup

KEYBOARD = InlineKeyboardBuilder().button("Да", callback_data="yes&no=1", style="primary").as_markup()
NO_KEYS = InlineKeyboardMarkup(())
STYLES = Format(bold=(Range(offset=0, length=1),), link=(LinkRange(offset=1, length=2, url="https://e.ru/?a=1"),))
TOPIC = ParentTopic(chat_id="87654@chat.agent", message_id=7513184000000097128, type="message")
TOKEN_FIELD = "token=001.2659914704.0218887601%3A747432131"

BODIES: list[tuple[Any, str]] = [
    (GetMe(), ""),
    (GetEvents(), "lastEventId=0&pollTime=0"),
    (GetEvents(2**62, 60), "lastEventId=4611686018427387904&pollTime=60"),
    (SendText("user@company.ru", "Hello!"), "chatId=user%40company.ru&text=Hello%21"),
    (SendText("c", ""), "chatId=c&text="),
    (
        SendText("c", "Привет & 100% + a=b\n\0👋"),
        "chatId=c&text=%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82+%26+100%25+%2B+a%3Db%0A%00%F0%9F%91%8B",
    ),
    (
        SendText(
            "c",
            "t",
            inline_keyboard_markup=KEYBOARD,
            parse_mode=ParseMode.HTML,
            reply_msg_id=(1, "2"),
            parent_topic=TOPIC,
            request_id="abc",
        ),
        "inlineKeyboardMarkup=%5B%5B%7B%22text%22%3A%22%D0%94%D0%B0%22%2C%22callbackData%22%3A%22yes%26no%3D1%22%2C"
        "%22style%22%3A%22primary%22%7D%5D%5D&parseMode=HTML&replyMsgId=1&replyMsgId=2"
        "&parent_topic=%7B%22chatId%22%3A%2287654%40chat.agent%22%2C%22messageId%22%3A7513184000000097128%2C"
        "%22type%22%3A%22message%22%7D&request-id=abc&chatId=c&text=t",
    ),
    (
        SendText("c", "t", format=STYLES, forward_chat_id="d", forward_msg_id=MSG_ID),
        "format=%7B%22bold%22%3A%5B%7B%22offset%22%3A0%2C%22length%22%3A1%7D%5D%2C%22link%22%3A%5B%7B%22offset%22%3A1"
        "%2C%22length%22%3A2%2C%22url%22%3A%22https%3A%2F%2Fe.ru%2F%3Fa%3D1%22%7D%5D%7D"
        f"&forwardChatId=d&forwardMsgId={MSG_ID}&chatId=c&text=t",
    ),
    (
        SendText("c", "t", inline_keyboard_markup=NO_KEYS),
        "inlineKeyboardMarkup=%5B%5D&chatId=c&text=t",
    ),
    (SendText("c", "t", reply_msg_id=[]), "chatId=c&text=t"),
    (SendTextWithDeeplink("c", "t", "start=1"), "chatId=c&text=t&deeplink=start%3D1"),
    (SendFile("c", file_id="0abc", caption="Вид"), "chatId=c&fileId=0abc&caption=%D0%92%D0%B8%D0%B4"),
    (SendVoice("c", file_id="Iabc", reply_msg_id=5), "replyMsgId=5&chatId=c&fileId=Iabc"),
    (EditText("c", 6, "t", parse_mode=ParseMode.MARKDOWNV2), "parseMode=MarkdownV2&chatId=c&msgId=6&text=t"),
    (DeleteMessages("c", MSG_ID), f"chatId=c&msgId={MSG_ID}"),
    (DeleteMessages("c", [1, "2", 3]), "chatId=c&msgId=1&msgId=2&msgId=3"),
    (AnswerCallbackQuery("SVR:a:1"), "queryId=SVR%3Aa%3A1"),
    (
        AnswerCallbackQuery("q", text="t", show_alert=True, url="https://e.ru"),
        "queryId=q&text=t&showAlert=true&url=https%3A%2F%2Fe.ru",
    ),
    (AnswerCallbackQuery("q", show_alert=False), "queryId=q&showAlert=false"),
    (GetChatInfo("@nick"), "chatId=%40nick"),
    (SendActions("c", ["looking", "typing"]), "chatId=c&actions=looking&actions=typing"),
    (SendActions("c", "typing"), "chatId=c&actions=typing"),
    (SendActions("c"), "chatId=c&actions="),
    (GetFileInfo("Z9"), "fileId=Z9"),
    (CreateChat("Отдел"), "name=%D0%9E%D1%82%D0%B4%D0%B5%D0%BB"),
    (
        CreateChat(
            "News",
            about="a & b",
            rules="r",
            members=["user@company.ru", "747432131"],
            public=True,
            default_role="readonly",
            join_moderation=False,
        ),
        "name=News&about=a+%26+b&rules=r"
        "&members=%5B%7B%22sn%22%3A%22user%40company.ru%22%7D%2C%7B%22sn%22%3A%22747432131%22%7D%5D"
        "&public=true&defaultRole=readonly&joinModeration=false",
    ),
    (SetChatTitle("c", "Новое"), "chatId=c&title=%D0%9D%D0%BE%D0%B2%D0%BE%D0%B5"),
    (SetChatAbout("c", "x"), "chatId=c&about=x"),
    (SetChatAbout("c", ""), "chatId=c&about="),
    (SetChatRules("c", "1. No\n2. No"), "chatId=c&rules=1.+No%0A2.+No"),
    (PinMessage("c", MSG_ID), f"chatId=c&msgId={MSG_ID}"),
    (UnpinMessage("c", 7), "chatId=c&msgId=7"),
    (GetChatAdmins("681869378@chat.agent"), "chatId=681869378%40chat.agent"),
    (GetChatMembers("c"), "chatId=c"),
    (GetChatMembers("c", "1a2b+3/c="), "chatId=c&cursor=1a2b%2B3%2Fc%3D"),
    (GetBlockedUsers("c"), "chatId=c"),
    (GetPendingUsers("c"), "chatId=c"),
    (AddChatMembers("c", ["a@b"]), "chatId=c&members=%5B%7B%22sn%22%3A%22a%40b%22%7D%5D"),
    (DeleteChatMembers("c", ("1", "2")), "chatId=c&members=%5B%7B%22sn%22%3A%221%22%7D%2C%7B%22sn%22%3A%222%22%7D%5D"),
    (BlockUser("c", "a@b"), "chatId=c&userId=a%40b"),
    (BlockUser("c", "a@b", del_last_messages=True), "chatId=c&userId=a%40b&delLastMessages=true"),
    (UnblockUser("c", "a@b"), "chatId=c&userId=a%40b"),
    (ResolvePending("c", True, user_id="a@b"), "chatId=c&approve=true&userId=a%40b"),
    (ResolvePending("c", False, everyone=True), "chatId=c&approve=false&everyone=true"),
    (ResolvePending("c", True, user_id="1", everyone=False), "chatId=c&approve=true&userId=1&everyone=false"),
    (ThreadsAdd("c", MSG_ID), f"chatId=c&msgId={MSG_ID}"),
    (ThreadsGetSubscribers("t", page_size=50), "threadId=t&pageSize=50"),
    (ThreadsGetSubscribers("t", cursor="MTAw"), "threadId=t&cursor=MTAw"),
    (ThreadsAutosubscribe("c", True), "chatId=c&enable=true"),
    (ThreadsAutosubscribe("c", False, with_existing=True), "chatId=c&enable=false&withExisting=true"),
]
UPLOADS_ONLY = {"chats/avatar/set"}
ANY_RESULT = answer(
    msgId=MSG_ID, userId="1", type="private", events=[], size=1, filename="f", url="u", sn="1@chat.agent",
    admins=[], members=[], users=[], threadId="2@chat.agent", subscribers=[],
)  # fmt: skip


def test_every_method_has_a_body_here():
    assert {method.path for method, _ in BODIES} == set(METHODS) - UPLOADS_ONLY
    assert len(METHODS) >= 31


@pytest.mark.parametrize(("method", "fields"), BODIES, ids=lambda value: getattr(value, "path", None))
def test_request_is_a_form_in_the_body_with_the_token_last(method, fields, face):
    transport = FakeTransport(ANY_RESULT)
    send(bot_over(transport), method, face)
    (request,), (body,) = transport.requests, transport.bodies
    assert body.decode("ascii") == "&".join(filter(None, [fields, TOKEN_FIELD]))
    assert (request.method, str(request.url)) == ("POST", f"{API_URL}/{method.path}")
    assert dict(request.headers) == {
        "host": "bots.example.ru",
        "user-agent": "django-vkteams-bot",
        "accept": "application/json",
        "content-type": "application/x-www-form-urlencoded",
        "content-length": str(len(body)),
    }


@pytest.mark.parametrize(("method", "fields"), BODIES, ids=lambda value: getattr(value, "path", None))
def test_body_is_what_a_server_reads_back(method, fields):
    wire = {name: [value] if isinstance(value, str) else value for name, value in method.params().items()}
    assert {name: texts for name, texts in wire.items() if texts} == parse_qs(fields, keep_blank_values=True)
    again = {
        name: [value] if isinstance(value, str) else value
        for name, value in type(method).from_wire(wire).params().items()
    }
    assert {name: texts for name, texts in again.items() if texts} == {
        name: texts for name, texts in wire.items() if (texts and texts != [""]) or name in ("text", "actions", "about")
    }


def test_json_parameters_are_compact_and_camel_case():
    params: dict[str, Any] = SendText("c", "t", inline_keyboard_markup=KEYBOARD, parent_topic=TOPIC).params()
    assert params["inlineKeyboardMarkup"] == '[[{"text":"Да","callbackData":"yes&no=1","style":"primary"}]]'
    assert json.loads(params["parent_topic"]) == {
        "chatId": "87654@chat.agent",
        "messageId": 7513184000000097128,
        "type": "message",
    }
    full = Format(
        **{name: (Range(offset=0, length=1),) for name in Format.model_fields if name not in ("link", "pre")},
        link=(LinkRange(offset=1, length=4, url="u"),),
        pre=(PreRange(offset=5, length=2, code="python"), PreRange(offset=9, length=1)),
    )
    one = [{"offset": 0, "length": 1}]
    assert json.loads(str(SendText("c", "t", format=full).params()["format"])) == {
        "bold": one,
        "italic": one,
        "underline": one,
        "strikethrough": one,
        "link": [{"offset": 1, "length": 4, "url": "u"}],
        "mention": one,
        "inline_code": one,
        "pre": [{"offset": 5, "length": 2, "code": "python"}, {"offset": 9, "length": 1}],
        "ordered_list": one,
        "unordered_list": one,
        "quote": one,
    }


def test_members_are_an_array_of_objects_with_sn():
    assert AddChatMembers("c", ["й@b", 'quo"te']).params()["members"] == '[{"sn":"й@b"},{"sn":"quo\\"te"}]'


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda bot: bot.add_chat_members("c", []), "members: Value should have at least 1 item"),
        (lambda bot: bot.add_chat_members("c", [1]), "members: Input should be a valid string"),
        (lambda bot: bot.add_chat_members("c", "a@b"), "members: give a list of user ids"),
        (lambda bot: bot.create_chat("c", members=[{"sn": "x"}]), "members: Input should be a valid string"),
        (
            lambda bot: bot.create_chat("c", default_role="moder"),
            "default_role: Input should be 'member' or 'readonly'",
        ),
        (lambda bot: bot.resolve_pending("c", True), "exactly one of user_id and everyone"),
        (lambda bot: bot.resolve_pending("c", True, everyone=False), "exactly one of user_id and everyone"),
        (lambda bot: bot.resolve_pending("c", True, user_id="1", everyone=True), "exactly one of user_id and everyone"),
        (lambda bot: bot.threads_get_subscribers("t"), "give page_size, cursor, or both"),
        (lambda bot: bot.set_chat_avatar("c"), "file: Field required"),
    ],
)
def test_what_servers_would_refuse_is_refused_at_once(make, problem):
    transport = FakeTransport(ANY_RESULT)
    with pytest.raises(InvalidCall) as raised:
        make(bot_over(transport))
    assert problem in str(raised.value)
    assert transport.requests == []


def test_builder_is_accepted_for_a_keyboard():
    builder = InlineKeyboardBuilder().button("a", url="u").row()
    assert SendText("c", "t", inline_keyboard_markup=builder).params()["inlineKeyboardMarkup"] == (
        '[[{"text":"a","url":"u"}]]'
    )


def test_huge_and_boolean_values_are_written_as_documented():
    assert wire_value(True) == "true"
    assert wire_value(False) == "false"
    assert wire_value(2**80) == "1208925819614629174706176"
    assert wire_value((1, "2", MSG_ID)) == ["1", "2", MSG_ID]
    assert type(wire_value(ParseMode.HTML)) is str


STYLED: list[Any] = [
    SendText("c", "t"),
    SendTextWithDeeplink("c", "t", "d"),
    SendFile("c", file_id="0"),
    EditText("c", 1, "t"),
]
PARSE_MODES = [
    (None, {}, None),
    (None, {"parse_mode": None}, None),
    (None, {"parse_mode": "HTML"}, "HTML"),
    ("MarkdownV2", {}, "MarkdownV2"),
    ("MarkdownV2", {"parse_mode": None}, None),
    ("MarkdownV2", {"parse_mode": ParseMode.HTML}, "HTML"),
    ("MarkdownV2", {"format": STYLES}, None),
    ("MarkdownV2", {"format": STYLES, "parse_mode": None}, None),
    (ParseMode.HTML, {"parse_mode": UNSET}, "HTML"),
]


@pytest.mark.parametrize(("default", "given_options", "on_the_wire"), PARSE_MODES)
@pytest.mark.parametrize("method", STYLED, ids=lambda method: method.path)
def test_parse_mode_of_the_call_goes_before_that_of_the_bot(method, default, given_options, on_the_wire, face):
    transport = FakeTransport(ANY_RESULT)
    bot = bot_over(transport, parse_mode=default)
    send(bot, dataclasses.replace(method, **given_options), face)
    assert transport.forms[0].get("parseMode") == ([on_the_wire] if on_the_wire else None)
    assert ("format" in transport.forms[0]) == ("format" in given_options)


def test_all_methods_with_a_parse_mode_are_tested_for_it():
    assert {path for path, method in METHODS.items() if "parse_mode" in method.wire_names} == {m.path for m in STYLED}


@pytest.mark.parametrize("method", STYLED, ids=lambda method: method.path)
def test_format_and_parse_mode_exclude_each_other(method):
    with pytest.raises(ValueError, match="either format or parse_mode"):
        dataclasses.replace(method, format=STYLES, parse_mode="HTML")


def test_request_id_is_added_where_the_method_has_one():
    transport = FakeTransport(ANY_RESULT)
    bot = bot_over(transport)

    async def main():
        await bot.execute(SendText("c", "t"), request_id="trace-1")
        await bot.execute(SendText("c", "t", request_id="own"), request_id="trace-2")
        await bot.execute(DeleteMessages("c", 1), request_id="trace-3")

    asyncio.run(main())
    assert [form.get("request-id") for form in transport.forms] == [["trace-1"], ["own"], None]


# Files.


def multipart(request, body):
    """Name, filename and content of each part, read by another parser than the one that wrote it."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parsed = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in parsed.iter_parts()
    ]


@pytest.mark.parametrize("make", [SendFile, SendVoice])
def test_upload_is_a_multipart_body_with_all_parameters(make, face, tmp_path):
    path = tmp_path / "note.txt"
    path.write_bytes(b"from disk\r\n--")
    transport = FakeTransport(answer(msgId=MSG_ID, fileId="Z1"))
    method = make("c", InputFile(path), reply_msg_id=(1, 2))
    sent = send(bot_over(transport), method, face)
    (request,), (body,) = transport.requests, transport.bodies
    assert multipart(request, body) == [
        ("replyMsgId", None, b"1"),
        ("replyMsgId", None, b"2"),
        ("chatId", None, b"c"),
        ("token", None, TOKEN.encode()),
        ("file", "note.txt", b"from disk\r\n--"),
    ]
    assert (request.method, str(request.url)) == ("POST", f"{API_URL}/{method.path}")
    assert request.headers["content-length"] == str(len(body))
    assert TOKEN not in str(request.headers)
    assert sent.file_id == "Z1"


def test_avatar_is_uploaded_as_the_part_image(face):
    transport = FakeTransport(answer())
    method = SetChatAvatar("681869378@chat.agent", InputFile(b"\x89PNG", filename="logo.png"))
    assert send(bot_over(transport), method, face) is True
    (request,), (body,) = transport.requests, transport.bodies
    assert (request.method, str(request.url)) == ("POST", f"{API_URL}/chats/avatar/set")
    assert multipart(request, body) == [
        ("chatId", None, b"681869378@chat.agent"),
        ("token", None, TOKEN.encode()),
        ("image", "logo.png", b"\x89PNG"),
    ]


def test_every_upload_is_tested_here():
    assert {path for path, method in METHODS.items() if method.upload_part} == {
        SendFile.path, SendVoice.path, SetChatAvatar.path,
    }  # fmt: skip


def test_bytes_are_uploaded_under_their_name(face):
    transport = FakeTransport(answer(msgId=MSG_ID))
    file = InputFile(b"\x00\xff", filename="отчёт.bin")
    send(bot_over(transport, parse_mode="HTML"), SendFile("c", file, caption="Вот"), face)
    parts = {name: content for name, _, content in multipart(transport.requests[0], transport.bodies[0])}
    assert parts["file"] == b"\x00\xff"
    assert parts["caption"].decode() == "Вот"
    assert parts["parseMode"] == b"HTML"
    assert 'filename="отчёт.bin"'.encode() in transport.bodies[0]


def test_big_file_is_streamed_piece_by_piece(tmp_path):
    path = tmp_path / "big.bin"
    with path.open("wb") as file:
        file.truncate(8 * 1024 * 1024)

    class Counting(httpx.BaseTransport):
        pieces: list[int]

        def handle_request(self, request):
            self.pieces = [len(piece) for piece in request.stream]
            return answer(msgId=MSG_ID)

    transport = Counting()
    Bot(TOKEN, API_URL, sync_transport=transport).execute_sync(SendFile("c", InputFile(path)))
    assert sum(transport.pieces) > 8 * 1024 * 1024
    assert max(transport.pieces) <= 1024 * 1024


@pytest.mark.parametrize("outcome", [answer(msgId="1"), httpx.ReadError("gone"), httpx.ConnectError("no")])
def test_file_is_closed_after_each_attempt(face, tmp_path, outcome, clock, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("x")
    opened = []
    original = InputFile.open

    def tracked(self):
        opened.append(original(self))
        return opened[-1]

    monkeypatch.setattr(InputFile, "open", tracked)
    transport = FakeTransport(outcome)
    bot = bot_over(transport, clock=clock)
    with contextlib.suppress(CallError):
        send(bot, SendFile("c", InputFile(path)), face)
    assert len(opened) == len(transport.requests) == (4 if isinstance(outcome, httpx.ConnectError) else 1)
    assert all(file.closed for file in opened)
    assert all(b"\r\n\r\nx\r\n" in body for body in transport.bodies)


def test_file_that_cannot_be_read_is_an_invalid_call_and_nothing_is_sent(face, tmp_path):
    transport = FakeTransport(answer(msgId="1"))
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(InvalidCall, match="cannot read"):
            send(bot_over(transport), SendFile("c", InputFile(path)), face)
    assert transport.requests == []


def test_input_file_names():
    assert InputFile("/tmp/a/b.txt").filename == "b.txt"
    assert InputFile("/tmp/a/b.txt", filename="c.txt").filename == "c.txt"
    assert InputFile("/tmp/caf\udce9.txt").filename == "caf?.txt"
    assert repr(InputFile(b"abc", filename="n")) == "InputFile(3 bytes, filename='n')"
    assert repr(InputFile("d/n")) == "InputFile(d/n, filename='n')"
    with pytest.raises(InvalidCall, match="filename="):
        InputFile(b"abc")


@pytest.mark.parametrize("name", ['a"b.txt', "a\r\nX-Evil: 1\r\n\r\n.txt", "a\\b.txt", "a;b=c.txt"])
def test_file_name_cannot_leave_its_header(name, face):
    transport = FakeTransport(answer(msgId="1"))
    send(bot_over(transport), SendFile("c", InputFile(b"x", filename=name)), face)
    body = transport.bodies[0]
    assert b"X-Evil: 1\r\n" not in body
    assert [part[0] for part in multipart(transport.requests[0], body)] == ["chatId", "token", "file"]


def test_half_a_surrogate_pair_is_an_invalid_call_that_names_the_parameter(face):
    transport = FakeTransport(answer(msgId="1"))
    bot = bot_over(transport)
    file = InputFile(b"x", filename="f")
    for method, name in [
        (SendText("c", "secret \ud83d"), "messages/sendText: text:"),
        (SendFile("c", file, caption="secret \udc4d"), "messages/sendFile: caption:"),
        (SendActions("c", ["secret\ud83d", "b"]), "chats/sendActions: actions:"),
    ]:
        with pytest.raises(InvalidCall, match=name) as raised:
            send(bot, method, face)
        assert "secret" not in str(raised.value)
    assert transport.requests == []


# And back: what a server reads is the value that was sent.

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
ids = st.from_regex(r"[1-9][0-9]{0,18}", fullmatch=True)
id_lists = ids | st.lists(ids, min_size=2, max_size=4).map(tuple)
ranges = st.builds(Range, offset=st.integers(0, 2**31), length=st.integers(0, 2**31))
formats = st.builds(
    Format,
    bold=st.lists(ranges, max_size=2).map(tuple),
    inline_code=st.lists(ranges, max_size=2).map(tuple),
    link=st.lists(st.builds(LinkRange, offset=st.integers(0, 9), length=st.integers(0, 9), url=texts)).map(tuple),
    pre=st.lists(st.builds(PreRange, offset=st.integers(0, 9), length=st.integers(0, 9), code=st.none() | texts)).map(
        tuple
    ),
)
buttons = st.builds(Button, text=texts, callback_data=texts, style=st.none() | texts) | st.builds(
    Button, text=texts, url=texts
)
keyboards = st.lists(st.lists(buttons, max_size=3).map(tuple), max_size=3).map(
    lambda rows: InlineKeyboardMarkup(tuple(rows))
)
topics = st.builds(ParentTopic, chat_id=texts, message_id=st.integers(0, 2**63), type=st.none() | texts)
files = st.builds(lambda content, name: InputFile(content, filename=name), st.binary(max_size=5), texts)

FIELDS = {
    "chat_id": texts,
    "text": texts,
    "deeplink": texts,
    "query_id": texts,
    "url": st.none() | texts,
    "caption": st.none() | texts,
    "file_id": texts,
    "msg_id": ids,
    "last_event_id": st.integers(0, 2**63),
    "poll_time": st.integers(0, 600),
    "actions": texts | st.lists(texts, min_size=2, max_size=3).map(tuple),
    "show_alert": st.none() | st.booleans(),
    "reply_msg_id": st.none() | id_lists,
    "forward_msg_id": st.none() | id_lists,
    "forward_chat_id": st.none() | texts,
    "request_id": st.none() | texts,
    "parent_topic": st.none() | topics,
    "inline_keyboard_markup": st.none() | keyboards,
    "parse_mode": st.none() | st.sampled_from(ParseMode),
    "name": texts,
    "title": texts,
    "about": texts,
    "rules": texts,
    "members": st.lists(texts, min_size=1, max_size=3).map(tuple),
    "public": st.none() | st.booleans(),
    "default_role": st.none() | st.sampled_from(["member", "readonly"]),
    "join_moderation": st.none() | st.booleans(),
    "cursor": st.none() | texts,
    "user_id": texts,
    "del_last_messages": st.none() | st.booleans(),
    "approve": st.booleans(),
    "everyone": st.none() | st.just(False),
    "thread_id": texts,
    "page_size": st.integers(1, 1000),
    "enable": st.booleans(),
    "with_existing": st.none() | st.booleans(),
}


@st.composite
def method_values(draw):
    """A method whose every field is drawn, in the form that from_wire gives: ids as text, no list of one."""
    kind: Any = METHODS[draw(st.sampled_from(sorted(METHODS)))]
    names = [field.name for field in dataclasses.fields(kind)]
    by_hand = {"format", "file"} | ({"file_id"} if "file" in names else set())
    strategies = {name: FIELDS[name] for name in names if name not in by_hand}
    if kind is DeleteMessages:
        strategies["msg_id"] = id_lists
    if kind is AnswerCallbackQuery:
        strategies["text"] = st.none() | texts
    if kind is CreateChat:
        strategies |= {name: st.none() | strategies[name] for name in ("about", "rules", "members")}
    values = {name: draw(strategy) for name, strategy in strategies.items()}
    if kind is ResolvePending and draw(st.booleans()):
        values |= {"user_id": None, "everyone": True}
    if "format" in names and values["parse_mode"] is None:
        values["format"] = draw(st.none() | formats)
    if "file_id" not in names and "file" in names:
        values["file"] = draw(files)
    elif "file" in names:
        values |= draw(st.fixed_dictionaries({"file": files}) | st.fixed_dictionaries({"file_id": texts}))
    return kind(**values)


@given(method_values())
def test_method_survives_the_wire(method):
    wire = {name: [value] if isinstance(value, str) else value for name, value in method.params().items()}
    assert type(method).from_wire(wire, file=method.upload) == method


@given(method_values())
def test_method_survives_the_bytes_of_a_request(method):
    transport = FakeTransport(ANY_RESULT)
    bot_over(transport).execute_sync(method)
    if method.upload is None:
        form = transport.forms[0]
        assert form.pop("token") == [TOKEN]
        assert type(method).from_wire(form) == method


@given(
    st.sampled_from(sorted(METHODS)),
    st.dictionaries(
        st.sampled_from(sorted({name for method in METHODS.values() for name in method.wire_names.values()})),
        st.lists(texts | st.sampled_from(["", "1", "true", "{}", "[]", "[[{}]]", "HTML", "[" * 9999]), max_size=3),
    ),
)
def test_any_parameters_make_a_method_or_a_wire_error(path, params):
    try:
        method = METHODS[path].from_wire(params)
    except WireError:
        return
    assert method.path == path


@pytest.mark.parametrize(
    ("path", "params", "problem"),
    [
        ("messages/sendText", {}, "Missing required parameter 'chatId'"),
        ("messages/sendText", {"chatId": ["c"]}, "Missing required parameter 'text'"),
        ("messages/sendText", {"chatId": ["c", "d"], "text": ["t"]}, "Bad request"),
        ("messages/sendText", {"chatId": ["c"], "text": ["t"], "parseMode": ["html"]}, "Bad request"),
        ("messages/sendText", {"chatId": ["c"], "text": ["t"], "format": ["{"]}, "Bad request"),
        ("messages/sendText", {"chatId": ["c"], "text": ["t"], "inlineKeyboardMarkup": ["[" * 99999]}, "Bad request"),
        (
            "messages/sendText",
            {"chatId": ["c"], "text": ["t"], "format": ["{}"], "parseMode": ["HTML"]},
            "Bad request",
        ),
        ("messages/sendFile", {"chatId": ["c"]}, "Bad request"),
        ("events/get", {"lastEventId": ["one"]}, "Bad request"),
        ("chats/members/add", {"chatId": ["c"]}, "Missing required parameter 'members'"),
        ("chats/members/add", {"chatId": ["c"], "members": ["[{}]"]}, "Bad request"),
        ("chats/members/add", {"chatId": ["c"], "members": ['["a@b"]']}, "Bad request"),
        ("chats/members/add", {"chatId": ["c"], "members": ["a@b"]}, "Bad request"),
        ("chats/members/add", {"chatId": ["c"], "members": ["[" * 99999]}, "Bad request"),
        ("chats/resolvePending", {"chatId": ["c"], "approve": ["true"], "everyone": ["false"]}, "Bad request"),
        ("chats/resolvePending", {"chatId": ["c"], "userId": ["1"]}, "Missing required parameter 'approve'"),
        ("chats/avatar/set", {"chatId": ["c"]}, "Bad request"),
        ("threads/subscribers/get", {"threadId": ["t"], "cursor": [""]}, "Bad request"),
        ("threads/autosubscribe", {"chatId": ["c"], "enable": ["maybe"]}, "Bad request"),
    ],
)
def test_parameters_that_make_no_method(path, params, problem):
    with pytest.raises(WireError) as raised:
        METHODS[path].from_wire(params)
    assert str(raised.value) == problem


def test_bot_python_sends_an_empty_user_id_beside_everyone():
    wire = {"chatId": ["c"], "approve": ["true"], "userId": [""], "everyone": ["true"]}
    assert ResolvePending.from_wire(wire) == ResolvePending("c", True, everyone=True)
    wire |= {"userId": ["1"], "everyone": ["false"]}
    assert ResolvePending.from_wire(wire) == ResolvePending("c", True, user_id="1", everyone=False)


def test_empty_text_counts_as_absent():
    assert SendText.from_wire({"chatId": ["c"], "text": [""], "request-id": [""], "parseMode": [""]}) == SendText(
        "c", "", parse_mode=None
    )
