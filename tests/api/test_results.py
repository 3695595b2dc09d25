"""Answers of calls to typed results (botapi.md §2.1-2.4), and what a sent message can do."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from tests.api.fakes import MSG_ID, FakeTransport, answer, bot_over, send
from vkteams_bot.api.answers import read_answer
from vkteams_bot.api.methods import (
    METHODS,
    AnswerCallbackQuery,
    DeleteMessages,
    EditText,
    GetChatInfo,
    GetEvents,
    GetFileInfo,
    GetMe,
    SendActions,
    SendFile,
    SendText,
    SendTextWithDeeplink,
    SendVoice,
)
from vkteams_bot.api.types import BotInfo, ChatInfo, FileInfo, Photo, SentMessage
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
        (GetFileInfo("Z"), {"size": "big", "filename": "a", "url": "u"}),
        (GetEvents(), {}),
        (GetEvents(), {"events": None}),
        (GetEvents(), {"events": {"eventId": 1}}),
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
    assert sent.delete().send() is True
    assert transport.requests[1].url.path.endswith("/messages/deleteMessages")


def test_sent_message_that_no_call_returned_has_no_chat():
    with pytest.raises(InvalidCall, match="not returned by a call"):
        _ = SentMessage(msg_id="1").chat_id
    with pytest.raises(InvalidCall):
        SentMessage(msg_id="1").delete()
