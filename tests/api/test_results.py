"""Answers of calls to typed results (botapi.md §2.1-2.4), and what a sent message can do."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from tests.api.fakes import MSG_ID, FakeTransport, answer, bot_over, send
from vkteams_bot.api import InputFile
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
)
from vkteams_bot.api.responses import read_answer
from vkteams_bot.api.types import (
    AddedMembers,
    BotInfo,
    ChatAdmin,
    ChatAdmins,
    ChatInfo,
    ChatMember,
    ChatMembers,
    ChatUser,
    ChatUsers,
    CreatedChat,
    FileInfo,
    MemberFailure,
    Photo,
    SentMessage,
    SubscriberState,
    Thread,
    ThreadSubscriber,
    ThreadSubscribers,
)
from vkteams_bot.exceptions import InvalidCall, OutcomeUnknown

GROUP = (
    '{"type":"group","title":"TestGroup","about":"Group description","rules":"Group rules",'
    '"inviteLink":"https://example.com/chat/AoLFkoRCn4MpaP0DjUI","public":true,"joinModeration":true,'
    '"photo":[{"url":"https://example.com/g"}],"ok":true}'
)
CHANNEL = (
    '{"type":"channel","title":"TestChannel","about":"Channel description","rules":"Channel rules",'
    '"inviteLink":"https://example.com/chat/AoLFkoRCn4MpaP0DjUI","public":true,"joinModeration":true,"ok":true}'
)
PERSON = (
    '{"type":"private","firstName":"Name","lastName":"Surname","nick":"nickname","about":"Information about user",'
    '"language":"ru","photo":[{"url":"https://example.com/avatar/get?targetSn=user@example.ru&size=1024"}],"ok":true}'
)
PHOTO = "https://example.com/expressions/getAsset?f=native&type=largeBuddyIcon&id=0110379a"
PLACE: dict[str, Any] = {
    "about": "Group description",
    "rules": "Group rules",
    "invite_link": "https://example.com/chat/AoLFkoRCn4MpaP0DjUI",
    "public": True,
    "join_moderation": True,
}

ANSWERS: list[tuple[Any, str, Any]] = [
    (
        GetMe(),
        '{"userId":"747432131","nick":"test_api_bot","firstName":"TestBot","about":"The description of the bot",'
        f'"photo":[{{"url":"{PHOTO}"}}],"ok":true}}',
        BotInfo(
            user_id="747432131",
            nick="test_api_bot",
            first_name="TestBot",
            about="The description of the bot",
            photo=(Photo(url=PHOTO),),
        ),
    ),
    (
        GetMe(),
        '{"firstName":"testbot","nick":"testbot","userId":"1000000001","ok":true}',
        BotInfo(user_id="1000000001", nick="testbot", first_name="testbot"),
    ),
    (
        GetChatInfo("user@example.ru"),
        PERSON,
        ChatInfo(
            type="private",
            first_name="Name",
            last_name="Surname",
            nick="nickname",
            about="Information about user",
            language="ru",
            photo=(Photo(url="https://example.com/avatar/get?targetSn=user@example.ru&size=1024"),),
        ),
    ),
    (
        GetChatInfo("test_api_bot"),
        '{"type":"private","firstName":"TestBot","nick":"test_api_bot","about":"bot","isBot":true,'
        '"photo":[{"url":"https://example.com/a"}],"ok":true}',
        ChatInfo(
            type="private",
            first_name="TestBot",
            nick="test_api_bot",
            about="bot",
            is_bot=True,
            photo=(Photo(url="https://example.com/a"),),
        ),
    ),
    (
        GetChatInfo("1@chat.agent"),
        GROUP,
        ChatInfo(type="group", title="TestGroup", photo=(Photo(url="https://example.com/g"),), **PLACE),
    ),
    (
        GetChatInfo("2@chat.agent"),
        CHANNEL,
        ChatInfo(
            type="channel",
            title="TestChannel",
            **{**PLACE, "about": "Channel description", "rules": "Channel rules"},
        ),
    ),
    (SendText("c", "t"), '{"msgId":"57883346846815032","ok":true}', SentMessage(msg_id=MSG_ID)),
    (SendText("c", "t"), '{"msgId":57883346846815032,"ok":true,"description":"also"}', SentMessage(msg_id=MSG_ID)),
    (SendTextWithDeeplink("c", "t", "d"), '{"msgId":"57883346846815032","ok":true}', SentMessage(msg_id=MSG_ID)),
    (
        SendFile("c", file_id="0"),
        '{"fileId":"0dC76vcKS3XZOtG5DVs9y15d1daefa1ae","msgId":"57883346846815032","ok":true}',
        SentMessage(msg_id=MSG_ID, file_id="0dC76vcKS3XZOtG5DVs9y15d1daefa1ae"),
    ),
    (SendFile("c", file_id="0"), '{"msgId":"57883346846815032","ok":true}', SentMessage(msg_id=MSG_ID)),
    (
        SendVoice("c", file_id="I"),
        '{"fileId":"IdjUEXuGdNhLKUfD5rvkE03IOax54cD","msgId":"57883346846815032","ok":true}',
        SentMessage(msg_id=MSG_ID, file_id="IdjUEXuGdNhLKUfD5rvkE03IOax54cD"),
    ),
    (EditText("c", "1", "t"), '{"ok":true}', True),
    (EditText("c", "1", "t"), '{"ok":true,"msgId":"1"}', True),
    (DeleteMessages("c", "1"), '{"ok":true}', True),
    (AnswerCallbackQuery("q"), '{"ok":true}', True),
    (SendActions("c", "typing"), '{"ok":true}', True),
    (
        GetFileInfo("88MfCLBHphvOAOeuzYhZfW5b7bcfa31ab"),
        '{"type":"video","size":20971520,"filename":"VIDEO.mkv",'
        '"url":"https://example.com/get/88MfCLBHphvOAOeuzYhZfW5b7bcfa31ab","ok":true}',
        FileInfo(
            type="video",
            size=20971520,
            filename="VIDEO.mkv",
            url="https://example.com/get/88MfCLBHphvOAOeuzYhZfW5b7bcfa31ab",
        ),
    ),
    (
        GetFileInfo("Z"),
        '{"type":"image/png","size":"7","filename":"a.txt","url":"https://example.com/get/Z","new":1,"ok":true}',
        FileInfo(type="image/png", size=7, filename="a.txt", url="https://example.com/get/Z"),
    ),
    (GetEvents(), '{"events":[],"ok":true}', []),
    (CreateChat("n"), '{"sn":"681869378@chat.agent","ok":true}', CreatedChat(chat_id="681869378@chat.agent")),
    (SetChatTitle("c", "t"), '{"ok":true}', True),
    (SetChatAbout("c", "t"), '{"ok":true}', True),
    (SetChatRules("c", "t"), '{"ok":true}', True),
    (SetChatAvatar("c", InputFile(b"x", filename="x.png")), '{"ok":true,"description":"also"}', True),
    (PinMessage("c", 1), '{"ok":true}', True),
    (UnpinMessage("c", 1), '{"ok":true}', True),
    (
        GetChatAdmins("c"),
        '{"admins":[{"userId":"user@company.ru","creator":true},{"userId":"747432131"}],"ok":true}',
        ChatAdmins(admins=(ChatAdmin(user_id="user@company.ru", creator=True), ChatAdmin(user_id="747432131"))),
    ),
    (
        GetChatMembers("c"),
        '{"members":[{"userId":"user@company.ru","creator":true},{"userId":"747432131","admin":true},'
        '{"userId":"ivanov@company.ru"}],"cursor":"1a2b3c","ok":true}',
        ChatMembers(
            members=(
                ChatMember(user_id="user@company.ru", creator=True),
                ChatMember(user_id="747432131", admin=True),
                ChatMember(user_id="ivanov@company.ru"),
            ),
            cursor="1a2b3c",
        ),
    ),
    (GetChatMembers("c"), '{"members":[],"cursor":123,"ok":true}', ChatMembers(members=(), cursor="123")),
    (GetChatMembers("c"), '{"members":[],"cursor":"","ok":true}', ChatMembers(members=())),
    (GetChatMembers("c"), '{"members":[],"cursor":null,"ok":true}', ChatMembers(members=())),
    (
        GetBlockedUsers("c"),
        '{"users":[{"userId":"ivanov@company.ru"}],"ok":true}',
        ChatUsers(users=(ChatUser(user_id="ivanov@company.ru"),)),
    ),
    (GetPendingUsers("c"), '{"users":[],"ok":true}', ChatUsers(users=())),
    (
        AddChatMembers("c", ["a"]),
        '{"ok":true,"failures":[{"id":"ivanov@company.ru","error":"user_must_join_by_link"},{"id":5}]}',
        AddedMembers(
            failures=(
                MemberFailure(user_id="ivanov@company.ru", error="user_must_join_by_link"),
                MemberFailure(user_id="5"),
            )
        ),
    ),
    (AddChatMembers("c", ["a"]), '{"ok":true}', AddedMembers()),
    (AddChatMembers("c", ["a"]), '{"ok":true,"failures":null}', AddedMembers()),
    (DeleteChatMembers("c", ["a"]), '{"ok":true}', True),
    (BlockUser("c", "a"), '{"ok":true}', True),
    (UnblockUser("c", "a"), '{"ok":true}', True),
    (ResolvePending("c", True, everyone=True), '{"ok":true}', True),
    (ThreadsAdd("c", 1), '{"threadId":"2601@chat.agent","ok":true}', Thread(thread_id="2601@chat.agent")),
    (
        ThreadsGetSubscribers("t", page_size=1),
        '{"cursor":"MTAw","subscribers":[{"sn":"user@company.ru","userState":{"lastseen":1717171717}},'
        '{"sn":"1"}],"ok":true}',
        ThreadSubscribers(
            cursor="MTAw",
            subscribers=(
                ThreadSubscriber(user_id="user@company.ru", user_state=SubscriberState(last_seen=1717171717)),
                ThreadSubscriber(user_id="1"),
            ),
        ),
    ),
    (ThreadsAutosubscribe("c", True), '{"ok":true}', True),
]


def test_all_methods_have_an_answer_here():
    assert {method.path for method, _, _ in ANSWERS} == set(METHODS)


@pytest.mark.parametrize(("method", "text", "expected"), ANSWERS)
def test_answer_becomes_its_documented_value(method, text, expected):
    found = read_answer(method, 200, None, text.encode(), None)
    assert type(found) is type(expected)
    # By fields: a SentMessage also remembers its chat.
    assert dict(found) == dict(expected) if isinstance(found, BaseModel) else found == expected


@pytest.mark.parametrize(
    ("method", "body"),
    [
        (SendText("c", "t"), {}),
        (SendText("c", "t"), {"msgId": None}),
        (SendText("c", "t"), {"msgId": {}}),
        (GetMe(), {"nick": "testbot"}),
        (GetChatInfo("c"), {"title": "x"}),
        (GetFileInfo("Z"), {"size": 1, "filename": "a"}),
        (GetFileInfo("Z"), {"size": "big", "filename": "a"}),
        (GetEvents(), {}),
        (GetEvents(), {"events": None}),
        (GetEvents(), {"events": {"eventId": 1}}),
        (CreateChat("n"), {}),
        (GetChatAdmins("c"), {}),
        (GetChatMembers("c"), {"cursor": "1"}),
        (GetChatMembers("c"), {"members": [{"admin": True}]}),
        (GetBlockedUsers("c"), {"users": None}),
        (AddChatMembers("c", ["a"]), {"failures": [{"error": "x"}]}),
        (ThreadsAdd("c", 1), {"msgId": "1"}),
        (ThreadsGetSubscribers("t", cursor="x"), {"cursor": "y"}),
    ],
)
def test_ok_without_the_required_fields_is_an_unknown_outcome(method, body):
    with pytest.raises(OutcomeUnknown, match="not a result of this method") as raised:
        read_answer(method, 200, None, json.dumps({"ok": True, **body}).encode(), None)
    assert raised.value.method is method


def test_sent_message_can_be_edited_and_deleted(face):
    transport = FakeTransport(answer(msgId=MSG_ID), answer())
    sent = send(bot_over(transport), SendText("user@example.ru", "t"), face)
    assert (sent.msg_id, sent.chat_id) == (MSG_ID, "user@example.ru")
    assert sent.edit_text("u").take() == EditText("user@example.ru", MSG_ID, "u")
    assert sent.delete().take() == DeleteMessages("user@example.ru", MSG_ID)
    assert sent.pin().take() == PinMessage("user@example.ru", MSG_ID)
    assert sent.delete().send() is True
    assert transport.requests[1].url.path.endswith("/messages/deleteMessages")


def test_sent_message_that_no_call_returned_has_no_chat():
    with pytest.raises(InvalidCall, match="not returned by a call"):
        _ = SentMessage(msg_id="1").chat_id
    with pytest.raises(InvalidCall):
        SentMessage(msg_id="1").delete()


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [
        (GetMe(), {"userId": "1", "nick": "bot", "photo": None}, {"nick": "bot", "photo": ()}),
        (
            GetMe(),
            {"userId": "1", "nick": 5.5, "about": {}, "photo": "none"},
            {"nick": "5.5", "about": None, "photo": ()},
        ),
        (GetFileInfo("Z"), {"url": "u", "size": 1, "type": "image"}, {"filename": None, "size": 1}),
        (GetFileInfo("Z"), {"url": "u", "size": None, "filename": "a"}, {"filename": "a", "size": None}),
        (GetChatInfo("c"), {"type": "group", "public": "perhaps", "photo": None}, {"public": None, "photo": ()}),
        (SendText("c", "t"), {"msgId": "7", "fileId": {}}, {"msg_id": "7", "file_id": None}),
    ],
)
def test_a_side_field_that_is_missing_or_wrong_costs_itself_alone(method, body, expected):
    result = read_answer(method, 200, None, json.dumps({"ok": True, **body}).encode(), None)
    assert {name: getattr(result, name) for name in expected} == expected


def test_the_error_names_the_fields():
    with pytest.raises(OutcomeUnknown, match=r"not a result of this method: url: Field required"):
        read_answer(GetFileInfo("Z"), 200, None, b'{"ok": true, "size": 1}', None)
