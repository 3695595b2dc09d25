"""Events: every documented capture (botapi.md §3.2) to its documented values, and everything else without an error."""

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.fakes import FakeTransport, answer, bot_over
from vkteams_bot.api.methods import GetEvents
from vkteams_bot.api.responses import read_answer
from vkteams_bot.api.types import (
    CallbackQuery,
    ChangedChatInfo,
    Chat,
    DeletedMessage,
    EditedMessage,
    Event,
    EventType,
    FilePart,
    Format,
    KeyboardPart,
    LeftChatMembers,
    LinkRange,
    Message,
    NewChatMembers,
    PinnedMessage,
    PreRange,
    Range,
    UnknownPart,
    UnpinnedMessage,
    User,
)
from vkteams_bot.api.types.events import PAYLOADS, decode_event
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.keyboards import Button

CAPTURES = json.loads(Path(__file__).with_name("captures.json").read_text())

BOB = {"user_id": "bob.smith@example.com", "first_name": "Bob", "last_name": "Smith", "full_name": "Bob Smith"}
TEST_GROUP = {"chat.chat_id": "87654@chat.agent", "chat.type": "group", "chat.title": "TEST"}
BEST_GROUP = {"chat.chat_id": "681869378@chat.agent", "chat.type": "group", "chat.title": "The best group"}
PRIVATE = {"chat.chat_id": "user@example.ru", "chat.type": "private", "chat.title": None}


def under(place, values):
    return {f"{place}.{name}": value for name, value in values.items()}


EXPECTED = {
    "plain": (
        Message,
        {
            **PRIVATE,
            "msg_id": "6816094467183870357",
            "from_user.user_id": "user@example.ru",
            "from_user.full_name": "Name SurName",
            "from_user.nick": None,
            "from_user.mention": "@[user@example.ru]",
            "text": "yuio",
            "content": "yuio",
            "caption": None,
            "timestamp": 1586995662,
            "format": None,
            "parts": (),
            "files": (),
            "sticker": None,
            "voice": None,
            "mentions": (),
            "mentioned_user_ids": (),
            "reply_to": None,
            "forwards": (),
            "inline_keyboard": None,
            "is_edited": False,
            "edited_timestamp": None,
            "is_thread_message": False,
            "thread_root_chat_id": None,
            "thread_root_message_id": None,
        },
    ),
    "group": (Message, {**TEST_GROUP, **under("from_user", BOB), "text": "Please send me a picture"}),
    "channel_with_format": (
        Message,
        {
            "chat.type": "channel",
            "format.bold": (Range(offset=0, length=5),),
            "format.link": (LinkRange(offset=11, length=4, url="https://example.com/"),),
            "format.pre": (PreRange(offset=20, length=4, code="python"),),
            "format.italic": (),
        },
    ),
    "sticker": (
        Message,
        {
            "sticker.file_id": "28484BzdUKPEEwmHDf4DmI5af94aff1ac",
            "text": "https://files.icq.net/get/28484BzdUKPEEwmHDf4DmI5af94aff1ac",
            "files": (),
            "voice": None,
            "from_user.full_name": "Name",
        },
    ),
    "image": (
        Message,
        {
            "files.0.file_id": "0DSdI000zoo7OPpedKDs0a5e97a23c1ab",
            "files.0.type": "image",
            "files.0.caption": None,
            "caption": None,
            "content": "https://files.icq.net/get/0DSdI000zoo7OPpedKDs0a5e97a23c1ab",
            "sticker": None,
        },
    ),
    "captioned": (
        Message,
        {
            "files.0.file_id": "ZhSnMuaOmF7FRez2jGWuQs5zGZwlLa0",
            "files.0.format.bold": (Range(offset=0, length=4),),
            "text": None,
            "caption": "Last weekend trip",
            "content": "Last weekend trip",
        },
    ),
    "document": (Message, {"files.0.file_id": "ZhSnMuaOmF7FRez2jGWuQs5zGZwlLa0", "files.0.type": None}),
    "voice": (Message, {"voice.file_id": "IdjUEXuGdNhLKUfD5rvkE03IOax54cD", "text": None, "content": None}),
    "mention": (
        Message,
        {
            "mentions": (User(user_id="751619011", first_name="TestBot", nick="TestBot"),),
            "mentioned_user_ids": ("751619011",),
            "text": "@[751619011]  here i am",
        },
    ),
    "forward": (
        Message,
        {
            "text": None,
            "reply_to": None,
            "forwards.0.msg_id": "6865292565940273485",
            "forwards.0.from_user.nick": "metabot",
            "forwards.0.text": "Please enter botId or nick.",
            "forwards.0.timestamp": 1598450487,
            "forwards.0.chat": None,
        },
    ),
    "reply": (
        Message,
        {
            "text": "Please send me a picture",
            "forwards": (),
            "reply_to.msg_id": "7513183000000001538",
            "reply_to.from_user.user_id": "1000000001",
            "reply_to.text": "Hi all!",
        },
    ),
    "thread": (
        Message,
        {
            "chat.chat_id": "2601@chat.agent",
            "chat.title": "",
            "is_thread_message": True,
            "thread_root_chat_id": "87654@chat.agent",
            "thread_root_message_id": "7513184000000097128",
            "parent_topic.type": "message",
        },
    ),
    "ghost": (Message, {**PRIVATE, "text": None, "content": None, "is_edited": True, "edited_timestamp": 1586995670}),
    "edited": (
        EditedMessage,
        {**TEST_GROUP, **under("from_user", BOB), "is_edited": True, "edited_timestamp": 1749299432, "text": "Hello!"},
    ),
    "deleted": (DeletedMessage, {**PRIVATE, "msg_id": "57883346846815032", "timestamp": 1546290000}),
    "pinned": (
        PinnedMessage,
        {
            **BEST_GROUP,
            "msg_id": "6720509406122810315",
            "text": "Some important information!",
            "from_user.user_id": "9876543210",
            "timestamp": 1564740530,
        },
    ),
    "unpinned": (UnpinnedMessage, {**BEST_GROUP, "msg_id": "6720509406122810315", "timestamp": 1564740530}),
    "joined": (
        NewChatMembers,
        {
            **BEST_GROUP,
            "new_members": (User(user_id="1234567890", first_name="Name", last_name="SurName"),),
            "added_by.user_id": "9876543210",
        },
    ),
    "left": (
        LeftChatMembers,
        {
            **BEST_GROUP,
            "left_members": (User(user_id="1234567890", first_name="Name", last_name="SurName"),),
            "removed_by.user_id": "9876543210",
        },
    ),
    "chat_info": (ChangedChatInfo, {"chat.title": "New title", "title": "New title", "from_user": None}),
    "callback": (
        CallbackQuery,
        {
            "query_id": "SVR:user@example.ru:751619011:1586266646713388:333-1586266647",
            "callback_data": "next-page1",
            "from_user.user_id": "user@example.ru",
            **PRIVATE,
            "message.from_user.nick": "TestBot",
            "message.msg_id": "6812931455698600506",
            "message.text": "kek",
            "message.inline_keyboard.root": (
                (
                    Button(text="one", callback_data="next-page1", style="primary"),
                    Button(text="two", callback_data="next-page2"),
                ),
                (Button(text="Site", url="https://example.com"),),
            ),
        },
    ),
}


def at(value, path):
    for name in path.split("."):
        value = value[int(name)] if name.isdigit() else getattr(value, name)
    return value


def event(kind="newMessage", **payload):
    """An event like the plain capture, with other fields; one that is `...` is left out."""
    fields = {**CAPTURES["plain"]["payload"], **payload}
    return {"eventId": 1, "type": kind, "payload": {key: value for key, value in fields.items() if value is not ...}}


def decode(raw):
    found = decode_event(raw, None)
    assert isinstance(found, Event)
    assert found.raw is raw
    assert (found.payload is None) == (found.problem is not None)
    return found


def message(**payload):
    found = decode(event(**payload))
    assert found.problem is None
    return found.payload


@pytest.mark.parametrize("name", CAPTURES)
def test_capture_has_its_documented_values(name):
    raw = CAPTURES[name]
    found = decode(raw)
    kind, values = EXPECTED[name]
    assert found.problem is None
    assert (found.event_id, found.type, type(found.payload)) == (raw["eventId"], raw["type"], kind)
    assert {path: at(found.payload, path) for path in values} == values


def test_all_known_events_have_a_capture():
    assert len(CAPTURES) == len(EXPECTED) == 21
    assert {raw["type"] for raw in CAPTURES.values()} == set(PAYLOADS) == set(EventType)
    assert len(EventType) == 9


@pytest.mark.parametrize("name", CAPTURES)
def test_field_names_of_the_wire_are_all_read(name):
    """What was read, written again by its wire names, lacks nothing of what came."""

    def covers(written, came):
        if isinstance(came, dict):
            return all(covers(written[key], value) for key, value in came.items())
        if isinstance(came, list):
            return len(written) == len(came) and all(map(covers, written, came))
        return written == came

    raw = CAPTURES[name]
    assert covers(decode(raw).payload.model_dump(by_alias=True, mode="json"), raw["payload"])


# What differs from the captures.


def test_callback_chat_is_read_from_every_place():
    fields = CAPTURES["callback"]["payload"]
    on_top = {**fields, "chat": {"chatId": "top@chat.agent", "type": "group"}}
    without_message = {key: value for key, value in fields.items() if key != "message"}
    chats = [
        decode({"eventId": 1, "type": "callbackQuery", "payload": payload}).payload.chat
        for payload in (on_top, fields, without_message)
    ]
    assert [(chat.chat_id, chat.type) for chat in chats] == [
        ("top@chat.agent", "group"),
        ("user@example.ru", "private"),
        ("user@example.ru", "private"),
    ]


def test_several_files_forwards_and_replies():
    parts: list[Any] = [
        {"type": "file", "payload": {"fileId": "0a"}},
        {"type": "file", "payload": {"fileId": "8b", "caption": "of the second"}},
        {"type": "reply", "payload": {"message": {"msgId": "1"}}},
        {"type": "reply", "payload": {"message": {"msgId": "2"}}},
        {"type": "forward", "payload": {"message": {"msgId": "3"}}},
        {"type": "forward", "payload": {"message": {"msgId": "4", "parts": [{"type": "voice", "payload": {}}]}}},
    ]
    found = message(parts=parts, text="mixed")
    assert [file.file_id for file in found.files] == ["0a", "8b"]
    assert found.caption == found.content == "of the second"
    assert found.reply_to.msg_id == "1"
    assert [quoted.msg_id for quoted in found.forwards] == ["3", "4"]
    assert found.forwards[1].parts == (UnknownPart(type="voice", payload={}),)


def test_ids_may_come_as_numbers():
    found = message(msgId=6816094467183870357, chat={"chatId": 123, "type": "group"}, **{"from": {"userId": 7}})
    assert (found.msg_id, found.chat.chat_id, found.from_user.user_id) == ("6816094467183870357", "123", "7")


def test_user_without_a_name_is_called_by_the_id():
    assert User(user_id="a@corp").full_name == "a@corp"
    assert User(user_id="a@corp", last_name="Smith").full_name == "Smith"


def test_new_chat_type_and_extra_fields_are_no_problem():
    found = message(chat={"chatId": "1@chat.agent", "type": "forum", "new": {}}, future=[1], parts=[])
    assert found.chat.type == "forum"
    assert not hasattr(found, "future")


def test_values_are_frozen():
    found = message()
    with pytest.raises(ValueError, match="frozen"):
        found.text = "other"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "sticker", "payload": {}},
        {"type": "file", "payload": None},
        {"type": "file", "payload": {"fileId": None}},
        {"type": "voice"},
        {"type": "mention", "payload": {"firstName": "No id"}},
        {"type": "mention", "payload": {"userId": ""}},
        {"type": "forward", "payload": {"message": {}}},
        {"type": "reply", "payload": {"message": []}},
        {"type": "inlineKeyboardMarkup", "payload": {"not": "rows"}},
        {"type": "poll", "payload": {"question": "?"}},
        {"type": ["sticker"]},
        {"type": "\ud800", "payload": "\udfff"},
        {"payload": 1},
        {},
        None,
        "sticker",
        17,
        [],
    ],
)
def test_part_that_cannot_be_read_is_kept_and_costs_nothing(part):
    good = {"type": "file", "payload": {"fileId": "0a"}}
    found = message(parts=[part, good])
    kind = part.get("type") if isinstance(part, dict) else None
    assert found.parts[0].type == (kind if isinstance(kind, str) else "")
    assert isinstance(found.parts[0], UnknownPart)
    assert found.parts[0].payload == (part.get("payload") if isinstance(part, dict) else part)
    assert isinstance(found.parts[1], FilePart)
    assert found.text == "yuio"


@pytest.mark.parametrize(
    "styles", [17, "bold", [], {"bold": 1}, {"bold": [{"offset": -1, "length": 2}]}, {"link": [{"offset": 1}]}]
)
def test_malformed_styles_are_dropped_and_the_text_stays(styles):
    caption = {"type": "file", "payload": {"fileId": "0a", "caption": "c", "format": styles}}
    quoted = {"type": "reply", "payload": {"message": {"msgId": "1", "format": styles}}}
    found = message(format=styles, parts=[caption, quoted])
    assert (found.format, found.text) == (None, "yuio")
    assert (found.files[0].format, found.caption) == (None, "c")
    assert found.reply_to.format is None


def test_unknown_styles_are_ignored():
    found = message(format={"blink": [{"offset": 0, "length": 1}], "bold": [{"offset": 0, "length": 1, "x": 1}]})
    assert found.format.bold == (Range(offset=0, length=1),)


def test_deep_quotes_are_read():
    nested: Any = {"msgId": "0", "text": "core"}
    for number in range(1, 60):
        nested = {"msgId": str(number), "parts": [{"type": "reply", "payload": {"message": nested}}]}
    found = message(parts=nested["parts"])
    depth = 0
    while found.parts:
        found = found.parts[0].payload.message
        depth += 1
    assert (depth, found.text) == (59, "core")


def test_text_of_any_characters_is_kept():
    text = "\0 \ud800 \u202e 👩\u200d💻 \r\n '; DROP TABLE"
    assert message(text=text).text == text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"msgId": ...}, "msgId"),
        ({"msgId": ""}, "msgId"),
        ({"msgId": None}, "msgId"),
        ({"msgId": "1" * 65}, "msgId"),
        ({"chat": ...}, "chat"),
        ({"chat": {"chatId": "", "type": "group"}}, "chat.chatId"),
        ({"chat": {"chatId": "x" * 256, "type": "group"}}, "chat.chatId"),
        ({"chat": {"chatId": ["a"], "type": "group"}}, "chat.chatId"),
    ],
)
def test_missing_or_wrong_field_is_a_problem_that_names_it(changes, field):
    found = decode(event(**changes))
    assert found.payload is None
    assert f"{field}: " in found.problem
    assert "yuio" not in found.problem
    assert found.event_id == 1


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"from": ...}, "from_user", None),
        ({"from": None}, "from_user", None),
        ({"from": {}}, "from_user", None),
        ({"timestamp": ...}, "timestamp", None),
        ({"timestamp": "soon"}, "timestamp", None),
        ({"timestamp": 1e400}, "timestamp", None),
        ({"text": {"not": "text"}}, "text", None),
        ({"parts": "sticker"}, "parts", ()),
        ({"parts": None}, "parts", ()),
        ({"parent_topic": {"chatId": "a", "messageId": "x"}}, "parent_topic", None),
        ({"parent_topic": {"chatId": "a"}}, "parent_topic", None),
        ({"editedTimestamp": []}, "edited_timestamp", None),
        ({"chat": {"chatId": "a"}}, "chat", Chat(chat_id="a", type="private")),
        ({"chat": {"chatId": "1@chat.agent", "type": None}}, "chat", Chat(chat_id="1@chat.agent", type="group")),
        ({"chat": {"chatId": "a", "title": 7.5}}, "chat", Chat(chat_id="a", type="private", title="7.5")),
        ({"format": '{"bold": [{"offset": 0, "length": 2}]}'}, "format", Format(bold=(Range(offset=0, length=2),))),
        ({"format": "bold"}, "format", None),
    ],
)
def test_a_side_field_that_is_missing_or_wrong_costs_itself_alone(changes, field, value):
    found = decode(event(**changes))
    assert found.problem is None
    assert getattr(found.payload, field) == value
    assert found.payload.msg_id


PEOPLE = [{"userId": "b"}, {"firstName": "of nobody"}, {}, None, {"userId": "c"}]


@pytest.mark.parametrize("kind", ["newChatMembers", "leftChatMembers"])
@pytest.mark.parametrize("by", [..., None, {}, {"firstName": "x"}])
def test_members_are_those_that_have_an_id(kind, by):
    payload = {"chat": {"chatId": "1@chat.agent"}, kind.removesuffix("ChatMembers") + "Members": PEOPLE}
    if by is not ...:
        payload["addedBy" if kind == "newChatMembers" else "removedBy"] = by
    found = decode({"eventId": 4, "type": kind, "payload": payload}).payload
    members = found.new_members if kind == "newChatMembers" else found.left_members
    assert [user.user_id for user in members] == ["b", "c"]
    assert (found.added_by if kind == "newChatMembers" else found.removed_by) is None


MESSAGE = {"chat": {"chatId": "1@chat.agent", "type": "group"}, "msgId": "7"}


@pytest.mark.parametrize(
    ("message", "chat", "msg_id"),
    [
        (MESSAGE, "1@chat.agent", "7"),
        ({"eventId": 5, "type": "newMessage", "payload": MESSAGE}, "1@chat.agent", "7"),
        ({**MESSAGE, "parent_topic": {}, "from": {}, "timestamp": None}, "1@chat.agent", "7"),
        ({"chat": MESSAGE["chat"]}, "1@chat.agent", None),
        (None, "ann@corp", None),
        ({}, "ann@corp", None),
        ("text", "ann@corp", None),
    ],
)
def test_a_press_needs_no_more_than_its_query_and_a_place(message, chat, msg_id):
    payload = {"queryId": "q", "from": {"userId": "ann@corp"}, "callbackData": None, "message": message}
    found = decode({"eventId": 4, "type": "callbackQuery", "payload": payload})
    assert found.problem is None
    assert found.payload.callback_data == ""
    assert found.payload.chat.chat_id == chat
    assert (found.payload.message.msg_id if found.payload.message else None) == msg_id


def test_a_press_of_nobody_nowhere_is_a_problem():
    found = decode({"eventId": 4, "type": "callbackQuery", "payload": {"queryId": "q"}})
    assert "neither chat, nor message, nor person" in found.problem


USABLE = {("chat",), ("chat", "chatId"), ("msgId",), ("queryId",)}


@given(st.data())
def test_whatever_is_taken_from_a_captured_event_costs_itself_alone(data):
    """Any field but the ids that make it usable is removed, nulled or replaced."""
    raw = copy.deepcopy(data.draw(st.sampled_from(list(CAPTURES.values()))))
    places = [place for place in _places(raw["payload"]) if place not in USABLE]
    for place in data.draw(st.lists(st.sampled_from(places), max_size=3)) if places else []:
        holder = raw["payload"]
        for step in place[:-1]:
            holder = holder.get(step) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and place[-1] in holder:
            change = data.draw(st.sampled_from([..., None, {}, [], "x", 7]))
            if change is ...:
                del holder[place[-1]]
            else:
                holder[place[-1]] = change
    if raw["type"] == "callbackQuery":
        raw["payload"]["chat"] = {"chatId": "ann@corp"}
    found = decode(raw)
    assert found.problem is None, raw
    assert found.payload.chat.chat_id


def _places(value, above=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*above, key)
            yield from _places(inner, (*above, key))


@pytest.mark.parametrize("payload", [None, ..., [], "text", 17, {}])
@pytest.mark.parametrize("kind", list(PAYLOADS))
def test_payload_of_another_shape_is_a_problem(kind, payload):
    raw = {"eventId": 4, "type": str(kind)} if payload is ... else {"eventId": 4, "type": str(kind), "payload": payload}
    found = decode(raw)
    assert (found.event_id, found.type) == (4, kind)
    assert found.problem.startswith(f"the payload is not a {kind}")


@pytest.mark.parametrize(
    ("raw", "event_id", "kind", "problem"),
    [
        (None, None, "", "an event is a JSON object, not NoneType"),
        ([], None, "", "an event is a JSON object, not list"),
        ("x", None, "", "an event is a JSON object, not str"),
        ({}, None, "", "the event has no type"),
        ({"eventId": 3}, 3, "", "the event has no type"),
        ({"eventId": 3, "type": 4}, 3, "", "the event has no type"),
        ({"eventId": 3, "type": "votedInPoll", "payload": {}}, 3, "votedInPoll", "unknown event type 'votedInPoll'"),
        ({"eventId": 3, "type": "\ud800"}, 3, "\ud800", "unknown event type '\\ud800'"),
        ({"type": "newMessage"}, None, "newMessage", "the event has no usable eventId"),
    ],
)
def test_item_that_is_no_event_is_a_problem(raw, event_id, kind, problem):
    found = decode(raw)
    assert (found.event_id, found.type, found.problem) == (event_id, kind, problem)


@pytest.mark.parametrize(
    ("given_id", "event_id"),
    [
        (1, 1),
        ("17", 17),
        (2**63 - 1, 2**63 - 1),
        (str(2**63 - 1), 2**63 - 1),
        (2**63, None),
        (str(2**63), None),
        (10**5000, None),
        (0, None),
        (-1, None),
        ("-1", None),
        ("", None),
        ("1e3", None),
        ("١٢", None),
        ("9" * 5000, None),
        (1.5, None),
        (True, None),
        (None, None),
        ([1], None),
        (float("nan"), None),
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) or value < 2**70 else "huge",
)
def test_event_id_is_a_positive_64_bit_number_or_none(given_id, event_id):
    assert decode({**CAPTURES["plain"], "eventId": given_id}).event_id == event_id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["eventId", "type", "payload", "chat", "from", "msgId", "text", "timestamp", "parts", "format"]
KEYS += ["message", "queryId", "userId", "chatId", "fileId"]
KINDS = [*PAYLOADS, "sticker", "file", "forward", "reply", "mention", "inlineKeyboardMarkup", "1"]
SHAPED = st.recursive(
    JSON | st.sampled_from(KINDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=25,
)


@given(JSON | SHAPED)
def test_any_json_is_decoded_without_an_error(raw):
    decode(raw)


@given(st.sampled_from([str(kind) for kind in PAYLOADS]), JSON | SHAPED)
def test_any_payload_is_decoded_without_an_error(kind, payload):
    found = decode({"eventId": 1, "type": kind, "payload": payload})
    assert (found.event_id, found.type) == (1, kind)


@given(st.sampled_from(sorted(CAPTURES)), st.data())
def test_capture_with_one_field_replaced_is_decoded_without_an_error(name, data):
    raw = json.loads(json.dumps(CAPTURES[name]))
    place = raw["payload"]
    while True:
        keys = list(range(len(place))) if isinstance(place, list) else sorted(place)
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON | SHAPED)
    decode(raw)


GOOD = CAPTURES["plain"]


@pytest.mark.parametrize(
    "bad",
    [
        b"null",
        b'"text"',
        b'{"eventId":1,"type":"newMessage","payload":{}}',
        b'{"eventId":1,"type":"never heard of"}',
        b'{"eventId":1,"type":"\\ud800","payload":{"\\udfff":"\\ud800"}}',
        b'{"eventId":1,"type":"\xff\xfe"}',
        b'{"eventId":1,"type":"a\\u0000b"}',
        b'{"eventId":NaN,"type":"newMessage"}',
        b'{"eventId":' + b"9" * 5000 + b',"type":"x"}',
        b'{"eventId":1,"type":"x","payload":-' + b"9" * 5000 + b"}",
        b'{"eventId":1,"type":"x","payload":' + b"[" * 500 + b"]" * 500 + b"}",
    ],
    ids=range(11),
)
@pytest.mark.parametrize("first", [True, False])
def test_bad_event_does_not_cost_its_batch(bad, first):
    good = json.dumps(GOOD).encode()
    items = [bad, good] if first else [good, bad]
    body = b'{"ok":true,"events":[' + b",".join(items) + b"]}"
    events = read_answer(GetEvents(), 200, None, body, None)
    if first:
        events.reverse()
    assert events[0] == decode_event(GOOD, None)
    assert len(events) == 2
    assert events[1].problem


def test_received_objects_know_their_bot():
    bot = bot_over(FakeTransport(answer(events=[CAPTURES["plain"], CAPTURES["callback"]])))
    events = asyncio.run(bot.execute(GetEvents()))
    assert [item.payload.bot for item in events] == [bot, bot]
    assert events[1].payload.message.bot is bot


@pytest.mark.parametrize(
    ("name", "call", "path", "params"),
    [
        ("group", lambda m: m.answer("t"), "messages/sendText", {"chatId": "87654@chat.agent", "text": "t"}),
        ("thread", lambda m: m.answer("t"), "messages/sendText", {"chatId": "2601@chat.agent", "text": "t"}),
        (
            "group",
            lambda m: m.reply("t", parse_mode="HTML"),
            "messages/sendText",
            {
                "chatId": "87654@chat.agent",
                "text": "t",
                "parseMode": "HTML",
                "replyMsgId": "7513184000000097128",
            },
        ),
        (
            "plain",
            lambda m: m.edit_text("t"),
            "messages/editText",
            {"chatId": "user@example.ru", "msgId": "6816094467183870357", "text": "t"},
        ),
        (
            "plain",
            lambda m: m.delete(),
            "messages/deleteMessages",
            {"chatId": "user@example.ru", "msgId": "6816094467183870357"},
        ),
        (
            "plain",
            lambda m: m.answer_chat_action("typing"),
            "chats/sendActions",
            {"chatId": "user@example.ru", "actions": ["typing"]},
        ),
        (
            "group",
            lambda m: m.pin(),
            "chats/pinMessage",
            {"chatId": "87654@chat.agent", "msgId": "7513184000000097128"},
        ),
        (
            "group",
            lambda m: m.unpin(),
            "chats/unpinMessage",
            {"chatId": "87654@chat.agent", "msgId": "7513184000000097128"},
        ),
        ("joined", lambda m: m.answer("t"), "messages/sendText", {"chatId": "681869378@chat.agent", "text": "t"}),
        (
            "callback",
            lambda q: q.answer("t", show_alert=True),
            "messages/answerCallbackQuery",
            {
                "queryId": "SVR:user@example.ru:751619011:1586266646713388:333-1586266647",
                "text": "t",
                "showAlert": "true",
            },
        ),
        (
            "callback",
            lambda q: q.message.edit_text("t"),
            "messages/editText",
            {"chatId": "user@example.ru", "msgId": "6812931455698600506", "text": "t"},
        ),
    ],
)
def test_shortcuts_make_the_call_they_are_named_after(name, call, path, params):
    made = call(decode_event(CAPTURES[name], bot_over(FakeTransport(answer()))).payload)
    method = made.take()
    assert (method.path, method.params()) == (path, params)


def test_object_that_no_bot_received_cannot_answer():
    with pytest.raises(InvalidCall, match="Message was not received by a bot"):
        message().answer("t")


def test_keyboard_of_an_unknown_style_is_read():
    keyboard = [[{"text": "a", "url": "u", "callbackData": "c", "style": "secondary", "new": 1}]]
    found = message(parts=[{"type": "inlineKeyboardMarkup", "payload": keyboard}])
    assert isinstance(found.parts[0], KeyboardPart)
    assert found.inline_keyboard.buttons == (Button(text="a", url="u", callback_data="c", style="secondary"),)


@pytest.mark.parametrize("depth", [150, 900, 3_000, 200_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a\\"]": ', "}")])
def test_a_value_that_is_nested_deeply_costs_neither_its_event_nor_its_neighbours(depth, brackets):
    deep = brackets[0] * depth + "7" + brackets[1] * depth
    good = json.dumps(event())
    bad = good.replace('"eventId": 1', '"eventId": 2').replace('"text":', f'"strange": {deep}, "text":', 1)
    body = f'{{"ok": true, "events": [{good}, {bad}]}}'.encode()
    found = read_answer(GetEvents(), 200, None, body, None)
    assert [(item.event_id, item.problem) for item in found] == [(1, None), (2, None)]
    assert found[0].payload == found[1].payload
