"""Each switch: what the server does by default, and what it does otherwise (docs/emulator.md)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.serving import ALICE, BOB, BOT_ID, TEAM, served
from vkteams_bot.emulator.behaviour import SWITCHES, Behaviour
from vkteams_bot.emulator.world import World

ROWS = [[{"text": "a", "callbackData": "x"}]]
KEYBOARD = json.dumps(ROWS)


def refusal(answer):
    assert answer["ok"] is False, answer
    return answer["description"]


def told(emulator):
    """Type and payload of the events that are new, which are acknowledged."""
    events = emulator.events()
    if events:
        emulator.events(events[-1]["eventId"])
    return [(event["type"], event["payload"]) for event in events]


def send(emulator, **params):
    return emulator.post("messages/sendText", **{"chatId": ALICE, "text": "x", **params})


def upload(emulator, method="messages/sendFile", **params):
    params = {"token": emulator.token, "chatId": ALICE, **params}
    return emulator.http.post(f"/bot/v1/{method}", params=params, files={"file": ("a.txt", b"content")}).json()


@pytest.fixture
def switch(emulator):
    def change(**changes):
        emulator.order("behaviour", changes)

    return change


@pytest.fixture
def clock():
    return [1700000000.0]


@pytest.fixture
def timed(clock):
    """A served emulator whose time stands still until it is moved."""
    with served(World(clock=lambda: clock[0])) as client:
        yield client


def test_the_docs_list_every_switch_with_its_default():
    text = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([^`]*)`", text, re.MULTILINE)
    plain = {name: json.dumps(value).strip('"') for name, value in Behaviour().as_dict().items()}
    assert rows == [(name, {"[]": "none"}.get(plain[name], plain[name])) for name in SWITCHES]


@pytest.mark.parametrize(("value", "expected"), [("", ()), ("a/b", ("a/b",)), ("a/*,c/d", ("a/*", "c/d"))])
def test_lists_of_methods_are_texts_with_commas_or_lists(value, expected):
    assert Behaviour().changed({"not_allowed": value}).not_allowed == expected
    assert Behaviour().changed({"not_allowed": list(expected)}).not_allowed == expected


@pytest.mark.parametrize(
    ("name", "description"), [("not_allowed", "Method not allowed"), ("unknown_methods", "Unknown method")]
)
def test_any_method_may_be_private_or_too_new(emulator, switch, name, description):
    switch(**{name: ["messages/sendTextWithDeeplink", "chats/set*"]})
    assert refusal(emulator.post("messages/sendTextWithDeeplink", chatId=ALICE, text="x", deeplink="d")) == description
    assert refusal(emulator.post("chats/setTitle", chatId=TEAM, title="x")) == description
    assert send(emulator)["ok"]
    assert emulator.post("chats/createChat", name="x")["ok"]


def test_a_server_too_old_says_so_before_it_looks_at_the_token(emulator, switch):
    switch(unknown_methods="self/*", not_allowed="events/*")
    assert refusal(emulator.post("self/get", token="")) == "Unknown method"
    assert refusal(emulator.post("events/get", token="001.1.1:5")) == "Invalid token"


def test_empty_text(emulator, switch):
    forward = {"text": "", "forwardChatId": ALICE, "forwardMsgId": emulator.write("one")}
    missing = "Missing required parameter 'text'"
    assert send(emulator, **forward)["ok"]
    assert refusal(send(emulator, text="", inlineKeyboardMarkup=KEYBOARD)) == missing

    switch(empty_text="keyboard")
    assert send(emulator, **forward)["ok"]
    assert send(emulator, text="", inlineKeyboardMarkup=KEYBOARD)["ok"]
    assert refusal(send(emulator, text="")) == missing

    switch(empty_text="refuse")
    assert refusal(send(emulator, **forward)) == missing


@pytest.mark.parametrize("empty", ["[]", "[[]]"])
def test_an_edit_with_an_empty_keyboard(emulator, switch, empty):
    def edited():
        msg_id = send(emulator, inlineKeyboardMarkup=KEYBOARD)["msgId"]
        answer = emulator.post("messages/editText", chatId=ALICE, msgId=msg_id, text="y", inlineKeyboardMarkup=empty)
        return answer, emulator.shown()[-1].get("inlineKeyboardMarkup")

    assert edited() == ({"ok": True}, None)
    switch(empty_keyboard="keep")
    assert edited() == ({"ok": True}, ROWS)
    switch(empty_keyboard="refuse")
    assert edited() == ({"ok": False, "description": "Bad request"}, ROWS)


LIMITS = [
    ("longest_text", lambda emulator, text: send(emulator, text=text), "1234", "12345"),
    ("longest_caption", lambda emulator, text: upload(emulator, caption=text), "1234", "12345"),
    (
        "longest_callback_data",
        lambda emulator, data: send(
            emulator, inlineKeyboardMarkup=json.dumps([[{"text": "long enough", "callbackData": data}]])
        ),
        "яя",
        "яя1",
    ),
    (
        "longest_button_text",
        lambda emulator, text: send(
            emulator, inlineKeyboardMarkup=json.dumps([[{"text": text, "callbackData": "long enough"}]])
        ),
        "яяяя",
        "яяяя1",
    ),
    ("most_rows", lambda emulator, n: send(emulator, inlineKeyboardMarkup=json.dumps(ROWS * n)), 4, 5),
    ("most_buttons_in_row", lambda emulator, n: send(emulator, inlineKeyboardMarkup=json.dumps([ROWS[0] * n])), 4, 5),
]


@pytest.mark.parametrize(("name", "do", "most", "more"), LIMITS, ids=[name for name, *_ in LIMITS])
def test_limits_of_texts_and_keyboards(emulator, switch, name, do, most, more):
    assert do(emulator, more)["ok"]
    switch(**{name: 4})
    assert do(emulator, most)["ok"]
    assert refusal(do(emulator, more)) == "Bad request"
    switch(limit_error="Too long")
    assert refusal(do(emulator, more)) == "Too long"
    assert len(emulator.shown()) == 2


def test_an_edit_has_the_limits_of_a_send(emulator, switch):
    msg_id = send(emulator)["msgId"]
    switch(longest_text=4)
    assert refusal(emulator.post("messages/editText", chatId=ALICE, msgId=msg_id, text="12345")) == "Bad request"
    assert emulator.shown()[0]["text"] == "x"


def test_unknown_tags(emulator, switch):
    text = "<b>a<br>c</b> <x>d</x>"
    assert refusal(send(emulator, text=text, parseMode="HTML")) == "Format error"
    for how, shown in (("drop", "ac d"), ("keep", "a<br>c <x>d</x>")):
        switch(unknown_tags=how)
        send(emulator, text=text, parseMode="HTML")
        assert emulator.shown()[-1]["text"] == shown
    switch(unknown_tags="drop")
    assert refusal(send(emulator, text="<b>a</x>", parseMode="HTML")) == "Format error"


@pytest.mark.parametrize(("mode", "text"), [("HTML", "<b>a"), ("MarkdownV2", "*a"), ("MarkdownV2", r"\a")])
def test_what_is_a_format_error_may_be_shown_as_it_came(emulator, switch, mode, text):
    switch(format_errors="plain")
    assert send(emulator, text=text, parseMode=mode)["ok"]
    (message,) = emulator.shown()
    assert (message["text"], message.get("format")) == (text, None)


def test_offsets_may_count_characters(emulator, switch):
    ranges = json.dumps({"bold": [{"offset": 2, "length": 1}]})
    switch(offset_unit="codepoints")
    for params in ({"text": "😀<b>a</b>", "parseMode": "HTML"}, {"text": "😀*a*", "parseMode": "MarkdownV2"}):
        send(emulator, **params)
        assert emulator.shown()[-1]["format"] == {"bold": [{"offset": 1, "length": 1}]}
    assert refusal(send(emulator, text="😀a", format=ranges)) == "Format error"
    switch(offset_unit="utf16")
    assert send(emulator, text="😀a", format=ranges)["ok"]


def test_a_send_may_name_the_message_of_a_thread(emulator, switch):
    root = emulator.write("root", chat_id=TEAM)
    topic = json.dumps({"chatId": TEAM, "messageId": int(root), "type": "message"})
    send(emulator, chatId=TEAM, text="ignored", parent_topic=topic)
    switch(parent_topic_sends=True)
    send(emulator, chatId=TEAM, text="heeded", parent_topic=topic)
    assert [message["text"] for message in emulator.shown(TEAM)] == ["root", "ignored"]
    thread = emulator.get("threads/add", chatId=TEAM, msgId=root)["threadId"]
    assert [message["text"] for message in emulator.shown(thread)] == ["heeded"]
    private = json.dumps({"chatId": ALICE, "messageId": int(emulator.write("x"))})
    assert refusal(send(emulator, parent_topic=private)) == "Invalid chatId"


def test_the_answer_to_a_file_sent_again(emulator, switch):
    file_id = upload(emulator)["fileId"]
    switch(resend_file_id=False)
    assert emulator.get("messages/sendFile", chatId=ALICE, fileId=file_id).keys() == {"msgId", "ok"}
    assert upload(emulator).keys() == {"msgId", "fileId", "ok"}


def test_ids_with_commas(emulator, switch):
    ids = [emulator.write("one"), emulator.write("two")]
    assert refusal(send(emulator, replyMsgId=",".join(ids))) == "msgId not found"
    switch(comma_ids=True)
    assert send(emulator, replyMsgId=",".join(ids))["ok"]
    assert send(emulator, forwardChatId=ALICE, forwardMsgId=",".join(ids))["ok"]
    assert [[part["type"] for part in message["parts"]] for message in emulator.shown()[-2:]] == [
        ["reply"] * 2,
        ["forward"] * 2,
    ]
    assert refusal(emulator.post("messages/deleteMessages", chatId=ALICE, msgId=",".join(ids))) == "msgId not found"


def test_each_forwarded_message_may_become_one_of_its_own(emulator, switch):
    ids = [emulator.write("one"), emulator.write("two")]
    forward = {"chatId": TEAM, "text": "look", "forwardChatId": ALICE, "forwardMsgId": ids}
    assert isinstance(send(emulator, **forward)["msgId"], str)
    switch(several_msg_ids=True)
    answer = send(emulator, **forward)
    together, first, second = emulator.shown(TEAM)
    assert len(together["parts"]) == 2
    assert answer["msgId"] == [first["msgId"], second["msgId"]]
    assert (first["text"], first["parts"][0]["payload"]["message"]["text"]) == ("look", "one")
    assert second["parts"][0]["payload"]["message"]["text"] == "two"
    assert isinstance(send(emulator, replyMsgId=ids)["msgId"], str)


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("penalty", [0, 5])
def test_rate_limits(timed, clock, status, penalty):
    limits = {"rate_limit": 2, "chat_rate_limit": 0.5}
    timed.order("behaviour", {**limits, "ratelimit_status": status, "ratelimit_seconds": penalty})

    def try_to(method="messages/sendText", **params):
        params = {"token": timed.token, "chatId": ALICE, "text": "x", **params}
        return timed.http.post(f"/bot/v1/{method}", data=params)

    msg_id = try_to().json()["msgId"]
    assert try_to("messages/editText", msgId=msg_id).json()["ok"]
    refused = try_to(chatId=BOB)
    if status == 429:
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5" if penalty else "0.5")
    else:
        assert refused.json() == {"ok": False, "description": "Ratelimit"}
    assert (len(timed.shown()), timed.shown(BOB)) == (1, [])

    in_team = [try_to(chatId=TEAM) for _ in range(2)]
    assert in_team[0].json()["ok"]
    assert in_team[1].status_code == status
    clock[0] += 1
    assert (try_to().status_code == status) if penalty else try_to().json()["ok"]
    clock[0] += 5
    assert try_to().json()["ok"]
    assert try_to(chatId=TEAM).json()["ok"]


def test_a_change_of_chat_info_by_its_other_names(emulator, switch):
    switch(chat_info_names="new")
    emulator.post("chats/setTitle", chatId=TEAM, title="Now")
    emulator.post("chats/setAbout", chatId=TEAM, about="a")
    (_, title), (_, about) = told(emulator)
    assert (title["newTitle"], title["from"]["userId"]) == ("Now", BOT_ID)
    assert "title" not in title
    assert about["newAbout"] == "a"


def test_a_channel_may_be_the_author_of_its_posts(emulator, switch):
    channel = emulator.order("chats", {"type": "channel", "title": "News", "admins": [ALICE, BOT_ID]})["chatId"]
    emulator.write("one", chat_id=channel)
    switch(channel_from="channel")
    post = emulator.write("two", chat_id=channel)
    emulator.order("pins", {"chatId": channel, "msgId": post, "from": ALICE})
    emulator.write("three", chat_id=TEAM)
    news = {"userId": channel, "firstName": "News"}
    assert [payload["from"] for _, payload in told(emulator)][1:3] == [news, news]
    emulator.write("four", chat_id=TEAM)
    assert told(emulator)[0][1]["from"]["userId"] == ALICE


def test_addresses_of_files_may_end(timed, clock):
    file_id = upload(timed)["fileId"]
    address = timed.get("files/getInfo", fileId=file_id)["url"]
    clock[0] += 1_000_000
    assert timed.http.get(address).status_code == 200
    timed.order("behaviour", {"file_url_seconds": 60})
    assert timed.http.get(address).status_code == 404
    timed.get("files/getInfo", fileId=file_id)
    clock[0] += 60
    assert timed.http.get(address).status_code == 200
    clock[0] += 1
    assert timed.http.get(address).status_code == 404


def test_deletions_in_groups_may_be_told_to_admins(emulator, switch):
    group = emulator.order("chats", {"members": [BOB, BOT_ID], "admins": [ALICE]})["chatId"]
    switch(deleted_in_groups=True)
    msg_ids = {chat_id: emulator.write("x", chat_id=chat_id) for chat_id in (TEAM, group)}
    told(emulator)
    for chat_id, msg_id in msg_ids.items():
        emulator.order("deletions", {"chatId": chat_id, "from": ALICE, "msgId": msg_id})
    ((kind, payload),) = told(emulator)
    assert (kind, payload["msgId"], payload["chat"]["chatId"]) == ("deletedMessage", msg_ids[TEAM], TEAM)
    emulator.post("messages/deleteMessages", chatId=TEAM, msgId=emulator.write("x", chat_id=TEAM))
    assert [kind for kind, _ in told(emulator)] == ["newMessage"], "not of what it deleted itself"


def test_a_file_without_caption_may_have_no_text(emulator, switch):
    file_id = upload(emulator)["fileId"]
    switch(file_url_as_text=False)
    emulator.write("", parts=[{"type": "file", "payload": {"fileId": file_id}}])
    emulator.get("messages/sendFile", chatId=ALICE, fileId=file_id)
    first, *others = emulator.shown()
    assert first["text"].endswith(file_id)
    assert [message.get("text") for message in others] == [None, None]


def test_enum_values_in_any_case(emulator, switch):
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("messages/sendText", {"chatId": ALICE, "text": "<b>x</b>", "parseMode": "html"}),
        ("messages/sendText", {"chatId": ALICE, "text": "*x*", "parseMode": "MARKDOWNV2"}),
        ("chats/sendActions", {"chatId": ALICE, "actions": ["Typing", "LOOKING"]}),
        ("chats/createChat", {"name": "x", "defaultRole": "ReadOnly"}),
    ]
    assert [refusal(emulator.post(method, **params)) for method, params in wrong] == ["Bad request"] * 4
    switch(enum_case="any")
    assert [emulator.post(method, **params)["ok"] for method, params in wrong] == [True] * 4
    assert [message["text"] for message in emulator.shown()] == ["x", "x"]
    assert refusal(send(emulator, parseMode="text")) == "Bad request"


def test_json_bodies(emulator, switch):
    ids = [emulator.write("one"), emulator.write("two")]
    body = {
        "token": emulator.token,
        "chatId": ALICE,
        "text": "hi",
        "replyMsgId": [int(msg_id) for msg_id in ids],
        "inlineKeyboardMarkup": ROWS,
        "format": {"bold": [{"offset": 0, "length": 1}]},
        "forwardChatId": None,
    }

    def post(**content):
        return emulator.http.post("/bot/v1/messages/sendText", **content).json()

    assert refusal(post(json=body)) == "Missing required parameter 'token'"
    switch(json_bodies=True)
    assert post(json=body)["ok"]
    message = emulator.shown()[-1]
    assert (message["text"], message["inlineKeyboardMarkup"]) == ("hi", ROWS)
    assert len(message["parts"]) == 2
    assert message["format"]
    headers = {"Content-Type": "application/json"}
    for broken in (b"{", b"[]", b"\xff", b"[" * 100_000):
        assert refusal(post(content=broken, headers=headers)) == "Bad request"


def test_a_bot_may_have_to_wait_until_it_is_written_to(emulator, switch):
    switch(write_first=False)
    assert refusal(send(emulator)) == "Permission denied"
    assert refusal(upload(emulator)) == "Permission denied"
    assert send(emulator, chatId=TEAM)["ok"]
    emulator.write("hi")
    assert send(emulator)["ok"]
    assert refusal(send(emulator, chatId=BOB)) == "Permission denied"
