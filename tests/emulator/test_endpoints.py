"""What each method does, over HTTP."""

import dataclasses
import json

import pytest

from tests.emulator.serving import ALICE, BOB, BOT_ID, TEAM, served
from vkteams_bot.emulator.endpoints import ENDPOINTS
from vkteams_bot.emulator.world import World

KEYBOARD = [[{"text": "a", "callbackData": "x", "style": "primary"}], [{"text": "b", "url": "https://example.com"}]]


def refusal(answer):
    assert answer["ok"] is False
    return answer["description"]


def test_self_get_with_all_that_a_bot_tells_of_itself():
    world = World()
    (bot,) = world.bots.values()
    bot.user = dataclasses.replace(bot.user, about="a", photo="https://example.com/b.png")
    with served(world) as emulator:
        answer = emulator.get("self/get")
    assert (answer["about"], answer["photo"]) == ("a", [{"url": "https://example.com/b.png"}])


def test_self_get(emulator):
    assert emulator.get("self/get") == {"userId": BOT_ID, "firstName": "Test Bot", "nick": "test_bot", "ok": True}


def test_send_text(emulator):
    answer = emulator.post("messages/sendText", chatId=ALICE, text="hi", inlineKeyboardMarkup=json.dumps(KEYBOARD))

    assert answer["ok"] is True
    (message,) = emulator.shown()
    assert (message["msgId"], message["text"], message["from"]["userId"]) == (answer["msgId"], "hi", BOT_ID)
    assert message["inlineKeyboardMarkup"] == KEYBOARD
    assert emulator.events() == [], "a bot does not hear itself"


@pytest.mark.parametrize(("mode", "text"), [("HTML", "😀<b>hi</b>"), ("MarkdownV2", "😀*hi*")])
def test_send_text_with_parse_mode(emulator, mode, text):
    emulator.post("messages/sendText", chatId=ALICE, text=text, parseMode=mode)

    (message,) = emulator.shown()
    assert (message["text"], message["format"]) == ("😀hi", {"bold": [{"offset": 2, "length": 2}]})


def test_send_text_with_format(emulator):
    ranges = {"link": [{"offset": 0, "length": 2, "url": "https://example.com/"}]}
    emulator.post("messages/sendText", chatId=ALICE, text="hi", format=json.dumps(ranges))

    assert emulator.shown()[0]["format"] == ranges


def test_a_nick_names_a_chat(emulator):
    emulator.post("messages/sendText", chatId="@bob", text="hi")

    assert emulator.shown(BOB)[0]["text"] == "hi"


def test_reply_and_forward(emulator):
    one, two = emulator.write("one"), emulator.write("two")
    assert emulator.post("messages/sendText", chatId=ALICE, text="re", replyMsgId=[one, two])["ok"]
    assert emulator.post("messages/sendText", chatId=TEAM, text="", forwardChatId=ALICE, forwardMsgId=two)["ok"]

    parts = emulator.shown()[-1]["parts"]
    assert [(part["type"], part["payload"]["message"]["msgId"]) for part in parts] == [("reply", one), ("reply", two)]
    (forward,) = emulator.shown(TEAM)
    assert "text" not in forward
    assert forward["parts"][0]["type"] == "forward"
    assert forward["parts"][0]["payload"]["message"]["text"] == "two"
    assert forward["parts"][0]["payload"]["message"]["from"]["userId"] == ALICE


def test_send_text_with_deeplink(emulator):
    assert emulator.post("messages/sendTextWithDeeplink", chatId=ALICE, text="hi", deeplink="x")["ok"]
    emulator.post("messages/sendText", chatId=ALICE, text="hi", deeplink="x")
    first, second = emulator.shown()
    assert (first["text"], first["deeplink"]) == ("hi", "x")
    assert "deeplink" not in second


def send(**params):
    return "messages/sendText", {"chatId": ALICE, "text": "x", **params}


@pytest.mark.parametrize(
    ("method", "params", "description"),
    [
        ("messages/sendText", {"text": "x"}, "Missing required parameter 'chatId'"),
        ("messages/sendText", {"chatId": ALICE}, "Missing required parameter 'text'"),
        (*send(text=""), "Missing required parameter 'text'"),
        (*send(chatId=""), "Invalid chatId"),
        (*send(chatId="nobody@example.com"), "Invalid chatId"),
        (*send(chatId="@nobody"), "Invalid chatId"),
        (*send(chatId=BOT_ID), "Invalid chatId"),
        (*send(chatId="2000@chat.agent"), "Permission denied"),
        (*send(replyMsgId="1"), "msgId not found"),
        (*send(replyMsgId="1,2"), "msgId not found"),
        (*send(forwardMsgId="1"), "Bad request"),
        (*send(forwardMsgId="1", forwardChatId=ALICE), "msgId not found"),
        (*send(forwardMsgId="1", forwardChatId=ALICE, replyMsgId="1"), "Bad request"),
        (*send(parseMode="HTML", text="<b>x"), "Format error"),
        (*send(parseMode="MarkdownV2", text="*x"), "Format error"),
        (*send(parseMode="Text"), "Bad request"),
        (*send(parseMode="HTML", format="{}"), "Bad request"),
        (*send(format="{"), "Bad request"),
        (*send(format='{"bold": [{"offset": 0, "length": 9}]}'), "Format error"),
        (*send(inlineKeyboardMarkup="[["), "Bad request"),
        (*send(inlineKeyboardMarkup='[[{"text": "x"}]]'), "Bad request"),
        ("messages/sendTextWithDeeplink", {"chatId": ALICE, "text": "x"}, "Missing required parameter 'deeplink'"),
        ("messages/sendFile", {"chatId": ALICE}, "Missing required parameter 'fileId'"),
        ("messages/sendFile", {"chatId": ALICE, "fileId": "Z"}, "Invalid file"),
        ("messages/editText", {"chatId": ALICE, "msgId": "1", "text": "x"}, "msgId not found"),
        ("messages/deleteMessages", {"chatId": ALICE, "msgId": "1"}, "msgId not found"),
        ("messages/answerCallbackQuery", {"queryId": "SVR:x"}, "queryId not found"),
        ("chats/getInfo", {"chatId": "nobody"}, "Invalid chatId"),
        ("chats/sendActions", {"chatId": ALICE, "actions": "dancing"}, "Bad request"),
        ("chats/sendActions", {"chatId": "nobody", "actions": "typing"}, "Invalid chatId"),
        ("files/getInfo", {"fileId": "Z"}, "Invalid file"),
        ("events/get", {"lastEventId": "x", "pollTime": "0"}, "Bad request"),
        ("messages/sendtext", {}, "Unknown method"),
        ("nothing", {}, "Unknown method"),
    ],
)
def test_refusals(emulator, method, params, description):
    emulator.order("users", {"userId": "2000000002@example.com"})
    emulator.order(
        "chats", {"chatId": "2000@chat.agent", "type": "group", "title": "x", "members": [ALICE], "withBot": False}
    )

    assert refusal(emulator.post(method, **params)) == description
    assert emulator.shown() == []
    assert emulator.ask("state")["sends"] == 0


@pytest.mark.parametrize("method", sorted(ENDPOINTS))
def test_every_method_wants_a_token(emulator, method):
    assert refusal(emulator.post(method, token="")) == "Missing required parameter 'token'"
    assert refusal(emulator.post(method, token="001.1.1:5")) == "Invalid token"


def test_every_endpoint_that_this_stage_promises_is_served():
    assert ENDPOINTS.keys() >= {
        "self/get", "events/get", "messages/sendText", "messages/sendTextWithDeeplink", "messages/sendFile",
        "messages/sendVoice", "messages/editText", "messages/deleteMessages", "messages/answerCallbackQuery",
        "chats/getInfo", "chats/sendActions", "files/getInfo",
    }  # fmt: skip
    assert all(path == endpoint.method.path for path, endpoint in ENDPOINTS.items())


def test_edit_text_removes_the_keyboard_unless_it_comes_again(emulator):
    keyboard = json.dumps(KEYBOARD)
    msg_id = emulator.post("messages/sendText", chatId=ALICE, text="a", inlineKeyboardMarkup=keyboard)["msgId"]

    assert emulator.post("messages/editText", chatId=ALICE, msgId=msg_id, text="b", inlineKeyboardMarkup=keyboard)["ok"]
    edited = emulator.shown()[0]
    assert (edited["text"], edited["inlineKeyboardMarkup"]) == ("b", KEYBOARD)
    assert edited["editedTimestamp"] >= edited["timestamp"]

    assert emulator.post("messages/editText", chatId=ALICE, msgId=msg_id, text="c") == {"ok": True}
    assert "inlineKeyboardMarkup" not in emulator.shown()[0]


def test_edit_text_keeps_the_keyboard_when_switched(emulator):
    emulator.order("behaviour", {"edit_without_keyboard": "keep"})
    keyboard = json.dumps(KEYBOARD)
    msg_id = emulator.post("messages/sendText", chatId=ALICE, text="a", inlineKeyboardMarkup=keyboard)["msgId"]

    emulator.post("messages/editText", chatId=ALICE, msgId=msg_id, text="b")
    assert emulator.shown()[0]["inlineKeyboardMarkup"] == KEYBOARD
    emulator.post("messages/editText", chatId=ALICE, msgId=msg_id, text="c", inlineKeyboardMarkup="[]")
    assert "inlineKeyboardMarkup" not in emulator.shown()[0]


def test_only_own_messages_are_edited(emulator):
    assert refusal(emulator.post("messages/editText", chatId=ALICE, msgId=emulator.write("a"), text="b")) == (
        "Permission denied"
    )
    assert emulator.shown()[0]["text"] == "a"


def test_deletions(emulator):
    own = [emulator.post("messages/sendText", chatId=ALICE, text="x")["msgId"] for _ in range(2)]
    foreign = emulator.write("mine")
    in_group = emulator.write("spam", chat_id=TEAM)

    assert refusal(emulator.post("messages/deleteMessages", chatId=ALICE, msgId=[own[0], foreign])) == (
        "Permission denied"
    )
    assert len(emulator.shown()) == 3, "all or none"
    assert emulator.post("messages/deleteMessages", chatId=ALICE, msgId=own)["ok"]
    assert [message["msgId"] for message in emulator.shown()] == [foreign]
    assert emulator.post("messages/deleteMessages", chatId=ALICE, msgId=own)["ok"], "twice is once"
    assert emulator.post("messages/deleteMessages", chatId=TEAM, msgId=in_group)["ok"], "the bot is admin"
    assert emulator.shown(TEAM) == []
    assert [event["type"] for event in emulator.events()] == ["newMessage", "newMessage"]


def test_an_old_message_is_not_deleted():
    times = [1700000000.0]
    world = World(clock=lambda: times[0])
    with served(world) as emulator:
        msg_id = emulator.post("messages/sendText", chatId=ALICE, text="x")["msgId"]
        times[0] += 48 * 3600
        answer = emulator.post("messages/deleteMessages", chatId=ALICE, msgId=msg_id)

    assert refusal(answer) == "Permission denied"


def test_a_query_is_answered(emulator):
    msg_id = emulator.post("messages/sendText", chatId=ALICE, text="a", inlineKeyboardMarkup=json.dumps(KEYBOARD))[
        "msgId"
    ]
    query_id = emulator.order("callbacks", {"chatId": ALICE, "msgId": msg_id, "from": ALICE, "callbackData": "x"})[
        "queryId"
    ]
    (event,) = emulator.events(poll_time=5)
    assert (event["type"], event["payload"]["queryId"]) == ("callbackQuery", query_id)

    assert emulator.get("messages/answerCallbackQuery", queryId=query_id, text="done", showAlert="true", url="")["ok"]

    assert emulator.ask("state")["callbackAnswers"] == [
        {"queryId": query_id, "text": "done", "showAlert": True, "url": ""}
    ]


def test_a_query_of_another_bot_is_unknown():
    with served(World(["a:1", "b:2"])) as emulator:
        emulator.token = "a:1"
        msg_id = emulator.post("messages/sendText", chatId=ALICE, text="a")["msgId"]
        query = emulator.order("callbacks", {"chatId": ALICE, "msgId": msg_id, "from": ALICE, "callbackData": "x"})
        emulator.token = "b:2"
        answer = emulator.post("messages/answerCallbackQuery", queryId=query["queryId"])

    assert refusal(answer) == "queryId not found"


def test_get_info(emulator):
    person = {
        "type": "private",
        "firstName": "Alice",
        "lastName": "Smith",
        "nick": "alice",
        "language": "en",
        "ok": True,
    }
    assert emulator.get("chats/getInfo", chatId=ALICE) == person
    assert emulator.get("chats/getInfo", chatId="@alice") == person
    assert emulator.get("chats/getInfo", chatId=BOT_ID)["isBot"] is True
    team = emulator.get("chats/getInfo", chatId=TEAM)
    assert (team["type"], team["title"], team["public"], team["ok"]) == ("group", "Team", False, True)
    assert team.keys() == {"type", "title", "public", "inviteLink", "joinModeration", "ok"}


def test_a_thread_is_no_place_for_replies_and_has_no_info(emulator):
    parent = {"chatId": TEAM, "messageId": 7, "type": "message"}
    thread = emulator.order("chats", {"type": "group", "members": [ALICE], "parentTopic": parent})["chatId"]
    msg_id = emulator.write("in thread", chat_id=thread)

    assert emulator.events()[0]["payload"]["parent_topic"] == parent
    assert refusal(emulator.get("chats/getInfo", chatId=thread)) == "Bad request"
    assert refusal(emulator.post("messages/sendText", chatId=thread, text="x", replyMsgId=msg_id)) == "Bad request"
    assert refusal(
        emulator.post("messages/sendText", chatId=ALICE, text="", forwardChatId=thread, forwardMsgId=msg_id)
    ) == ("Bad request")
    assert emulator.post("messages/sendText", chatId=thread, text="x")["ok"]


@pytest.mark.parametrize("actions", ["looking", ["looking", "typing"], ""])
def test_actions(emulator, actions):
    assert emulator.post("chats/sendActions", chatId=ALICE, actions=actions) == {"ok": True}


@pytest.mark.parametrize("dedupe", [False, True])
def test_request_ids_are_deduped_only_when_switched(emulator, dedupe):
    emulator.order("behaviour", {"dedupe_request_id": dedupe})
    first = emulator.post("messages/sendText", chatId=ALICE, text="x", **{"request-id": "r1"})
    again = emulator.post("messages/sendText", chatId=ALICE, text="x", requestId="r1")
    emulator.post("messages/sendText", chatId=ALICE, text="x", **{"request-id": "r2"})

    assert (first == again) is dedupe
    assert len(emulator.shown()) == (2 if dedupe else 3)


def test_an_upload_is_sent_described_and_downloaded(emulator):
    content = bytes(range(256)) * 40 + b"\r\n--x\r\n"
    answer = emulator.http.post(
        "/bot/v1/messages/sendFile",
        params={
            "token": emulator.token,
            "chatId": ALICE,
            "caption": "<b>look</b> @[bob@example.com]",
            "parseMode": "HTML",
        },
        files={"file": ("фото 1.png", content)},
    ).json()
    assert answer.keys() == {"ok", "fileId", "msgId"}

    (message,) = emulator.shown()
    file, mention = message["parts"]
    assert "text" not in message
    assert file["payload"] == {
        "fileId": answer["fileId"],
        "type": "image",
        "caption": "look @[bob@example.com]",
        "format": {"bold": [{"offset": 0, "length": 4}]},
    }
    assert mention["payload"]["userId"] == BOB

    info = emulator.get("files/getInfo", fileId=answer["fileId"])
    assert (info["type"], info["size"], info["filename"], info["ok"]) == ("image", len(content), "фото 1.png", True)
    assert info["url"] == f"{emulator.origin}/files/get/{answer['fileId']}"
    download = emulator.http.get(info["url"])
    assert download.content == content
    assert download.headers["content-type"] == "image/png"


def test_a_file_is_sent_again_by_its_id(emulator):
    upload = {"file": ("a.txt", b"x")}
    params = {"token": emulator.token, "chatId": ALICE}
    first = emulator.http.post("/bot/v1/messages/sendFile", params=params, files=upload).json()
    second = emulator.get("messages/sendFile", chatId=BOB, fileId=first["fileId"])

    assert (second["ok"], second["fileId"]) == (True, first["fileId"])
    (message,) = emulator.shown(BOB)
    assert message["parts"] == [{"type": "file", "payload": {"fileId": first["fileId"]}}]
    assert message["text"] == f"{emulator.origin}/files/get/{first['fileId']}"


def test_a_voice(emulator):
    answer = emulator.http.post(
        "/bot/v1/messages/sendVoice", data={"token": emulator.token, "chatId": ALICE}, files={"file": ("a.ogg", b"x")}
    ).json()

    assert answer["fileId"][0] == "I"
    assert emulator.shown()[0]["parts"] == [{"type": "voice", "payload": {"fileId": answer["fileId"]}}]
    assert emulator.get("files/getInfo", fileId=answer["fileId"])["type"] == "audio"


@pytest.mark.parametrize("upload", [{"file": ("a.txt", b"")}, {"image": ("a.txt", b"x")}])
def test_an_upload_without_a_usable_file(emulator, upload):
    answer = emulator.http.post(
        "/bot/v1/messages/sendFile", params={"token": emulator.token, "chatId": ALICE}, files=upload
    ).json()

    assert refusal(answer) == "Invalid file"
    assert emulator.shown() == []


def test_downloads_may_want_the_token_with_a_bare_colon(emulator):
    file_id = emulator.http.post("/emulator/files", files={"file": ("a.html", b"<script>")}).json()["fileId"]
    open_download = emulator.http.get(f"/files/get/{file_id}")
    assert open_download.headers["content-disposition"].startswith("attachment")
    emulator.order("behaviour", {"files_need_token": True})

    assert emulator.http.get(f"/files/get/{file_id}").status_code == 403
    assert emulator.http.get(f"/files/get/{file_id}?token={emulator.token}").content == b"<script>"
    assert emulator.http.get(f"/files/get/{file_id}?token={emulator.token.replace(':', '%3A')}").status_code == 500
    assert emulator.http.get("/files/get/nothing?token=" + emulator.token).status_code == 404


def test_strict_escapes(emulator):
    emulator.order("behaviour", {"strict_escapes": True})

    assert (
        refusal(emulator.post("messages/sendText", chatId=ALICE, text=r"a\.", parseMode="MarkdownV2")) == "Format error"
    )
