import json

import pytest

from tests.emulator.serving import ALICE, BOB, BOT_ID, TEAM, served
from vkteams_bot.emulator.world import World


def test_users_are_added_one_or_many_and_renamed(emulator):
    emulator.order("users", {"userId": "carol@example.com", "firstName": "Carol", "nick": "carol"})
    emulator.order("users", [{"userId": "1"}, {"userId": "2", "firstName": "Two"}])
    emulator.order("users", {"userId": "carol@example.com", "firstName": "Caroline"})

    assert emulator.get("chats/getInfo", chatId="carol@example.com")["firstName"] == "Caroline"
    assert emulator.get("chats/getInfo", chatId="1")["firstName"] == "1"
    assert emulator.get("chats/getInfo", chatId="2")["firstName"] == "Two"


def test_a_chat_gets_an_id_and_the_bot(emulator):
    chat_id = emulator.order("chats", {"type": "group", "title": "New", "members": [ALICE, BOB], "admins": []})[
        "chatId"
    ]
    named = emulator.order("chats", {"chatId": "77@chat.agent", "type": "channel", "title": "News", "admins": [BOT_ID]})

    assert chat_id.endswith("@chat.agent")
    assert named["chatId"] == "77@chat.agent"
    assert emulator.get("messages/sendText", chatId=chat_id, text="hi")["ok"]
    assert emulator.get("chats/getInfo", chatId="77@chat.agent")["type"] == "channel"


def test_messages_in_both_kinds_of_chat(emulator):
    private, group = emulator.write("a"), emulator.write("b", chat_id=TEAM, sender=BOB)

    first, second = emulator.events()
    assert (first["payload"]["msgId"], first["payload"]["chat"]["chatId"]) == (private, ALICE)
    assert (second["payload"]["msgId"], second["payload"]["chat"]["chatId"]) == (group, TEAM)
    assert second["payload"]["from"]["userId"] == BOB


def test_many_messages_at_once(emulator):
    messages = [{"chatId": ALICE, "from": ALICE, "text": str(number)} for number in range(150)]

    msg_ids = emulator.order("messages", messages)["msgIds"]

    assert [message["msgId"] for message in emulator.shown()] == msg_ids
    assert emulator.ask("state")["pending"] == 150


def test_a_batch_stops_at_the_first_wrong_message_and_says_which(emulator):
    wrong = [{"chatId": ALICE, "from": sender, "text": "x"} for sender in (ALICE, "eve@example.com", ALICE)]

    assert emulator.order("messages", wrong, status=400)["description"].startswith("1: ")
    assert len(emulator.shown()) == 1


def test_parts_format_and_reply_are_kept(emulator):
    first = emulator.write("one")
    ranges = {"bold": [{"offset": 0, "length": 1}]}
    sticker = {"type": "sticker", "payload": {"fileId": "2848"}}
    emulator.write("two", format=ranges, parts=[sticker], replyMsgId=first)

    message = emulator.shown()[1]
    assert message["format"] == ranges
    assert [part["type"] for part in message["parts"]] == ["reply", "sticker"]


def test_edits_and_deletions(emulator):
    msg_id = emulator.write("a")
    emulator.order("edits", {"chatId": ALICE, "from": ALICE, "msgId": msg_id, "text": "b"})
    assert emulator.shown()[0]["text"] == "b"
    emulator.order("deletions", {"chatId": ALICE, "from": ALICE, "msgId": msg_id})

    assert emulator.shown() == []
    assert [event["type"] for event in emulator.events()] == [
        "newMessage",
        "editedMessage",
        "deletedMessage",
        "newMessage",
    ]


def test_raw_events(emulator):
    emulator.order("events", {"event": {"type": "future", "payload": 1}})
    emulator.order("events", {"events": [None, {"eventId": "x"}, 5]})
    emulator.order("events", {"event": {"type": "future"}, "raw": True})
    lone_surrogate = json.dumps({"event": {"type": "x", "text": "\ud800"}})
    assert emulator.http.post("/emulator/events", content=lone_surrogate).json()["ok"]

    first, *others, last = emulator.events()
    assert first == {"eventId": first["eventId"], "type": "future", "payload": 1}
    assert others == [None, {"eventId": "x"}, 5, {"type": "future"}]
    assert last["text"] == "\ud800"


@pytest.mark.parametrize("body", [{}, {"event": 1, "events": []}, {"event": 1, "token": "no"}])
def test_wrong_raw_events(emulator, body):
    emulator.order("events", body, status=400)

    assert emulator.events() == []


def test_state_counts(emulator):
    emulator.get("self/get")
    emulator.get("messages/sendText", chatId=ALICE, text="x")
    emulator.get("nothing/here")
    emulator.write("a")

    state = emulator.ask("state")

    assert state["requests"] == {"self/get": 1, "messages/sendText": 1, "(unknown)": 1}
    assert (state["sends"], state["pending"], state["unacknowledged"]) == (1, 1, 0)
    assert state["bots"][emulator.token]["userId"] == BOT_ID
    (event,) = emulator.events()
    assert emulator.ask("state")["unacknowledged"] == 1
    emulator.events(event["eventId"])
    after = emulator.ask("state")["bots"][emulator.token]
    assert (after["pending"], after["unacknowledged"], after["acknowledgedEventId"]) == (0, 0, event["eventId"])


def test_the_token_says_which_bot_a_private_chat_is_with():
    with served(World(["a:1", "b:2"])) as emulator:
        emulator.write("to the first")
        emulator.write("to the second", token="b:2")
        emulator.token = "b:2"
        texts = [event["payload"]["text"] for event in emulator.events()]
        shown = emulator.ask("messages", chatId=ALICE, token="b:2")["messages"]

    assert texts == ["to the second"]
    assert [message["text"] for message in shown] == ["to the second"]


def test_behaviour_is_shown_changed_and_reset(emulator):
    before = emulator.ask("behaviour")["behaviour"]
    assert emulator.order("behaviour", {"ghost_twin": False})["behaviour"] == {**before, "ghost_twin": False}
    emulator.order("reset")

    assert emulator.ask("behaviour")["behaviour"] == before


@pytest.mark.parametrize(
    ("what", "body", "problem"),
    [
        ("users", {"firstName": "x"}, "userId"),
        ("users", {"userId": BOT_ID}, "is a bot"),
        ("chats", {"type": "private", "title": "x"}, "type"),
        ("chats", {"members": ["eve"]}, "there is no user eve"),
        ("messages", {"chatId": ALICE, "text": "x"}, "from"),
        ("messages", {"chatId": ALICE, "from": ALICE, "txt": "x"}, "txt"),
        ("messages", {"chatId": ALICE, "from": BOB, "text": "x"}, "there is no chat"),
        ("messages", {"chatId": ALICE, "from": ALICE, "text": "x", "token": "no"}, "token"),
        ("messages", {"chatId": ALICE, "from": ALICE}, "text or parts"),
        ("messages", {"chatId": ALICE, "from": ALICE, "forwardChatId": TEAM}, "go together"),
        ("messages", {"chatId": ALICE, "from": ALICE, "forwardMsgId": "1"}, "go together"),
        (
            "messages",
            {"chatId": ALICE, "from": ALICE, "forwardChatId": TEAM, "forwardMsgId": "1", "replyMsgId": "1"},
            "takes no parts",
        ),
        ("callbacks", {"chatId": ALICE, "from": ALICE, "msgId": "1", "callbackData": "x"}, "msgId not found"),
        ("edits", {"chatId": ALICE, "from": ALICE, "msgId": "1", "text": "x"}, "msgId not found"),
        ("behaviour", {"ghost": True}, "ghost"),
        ("behaviour", [], "ghost_twin"),
        ("nothing", {}, "there is no POST /emulator/nothing"),
    ],
)
def test_what_cannot_be_done_is_a_400_that_says_why(emulator, what, body, problem):
    answer = emulator.order(what, body, status=400)

    assert answer["ok"] is False
    assert problem in answer["description"]
    assert emulator.events() == []


def test_a_body_that_is_not_json(emulator):
    response = emulator.http.post("/emulator/messages", content=b"{")

    assert (response.status_code, response.json()["ok"]) == (400, False)


@pytest.mark.parametrize("path", ["messages", "messages?chatId=nobody", "messages?chatId=x&token=no", "nothing"])
def test_wrong_questions(emulator, path):
    assert emulator.http.get(f"/emulator/{path}").status_code == 400


def test_what_people_tell_of_themselves(emulator):
    person = {"userId": "carol@example.com", "firstName": "Carol", "about": "a", "photo": "https://example.com/c.png"}
    emulator.order("users", person)

    info = emulator.get("chats/getInfo", chatId="carol@example.com")
    assert (info["about"], info["photo"]) == ("a", [{"url": "https://example.com/c.png"}])
    assert "photo" not in emulator.get("chats/getInfo", chatId=ALICE)


def test_a_person_forwards(emulator):
    ids = [emulator.write(text, chat_id=TEAM) for text in ("one", "two")]
    emulator.write("look", forwardChatId=TEAM, forwardMsgId=ids)
    emulator.write("", chat_id=TEAM, forwardChatId=ALICE, forwardMsgId=emulator.shown()[0]["msgId"])

    (message,) = emulator.shown()
    assert message["text"] == "look"
    assert [part["payload"]["message"]["text"] for part in message["parts"]] == ["one", "two"]
    (nested,) = emulator.shown(TEAM)[-1]["parts"]
    assert [part["type"] for part in nested["payload"]["message"]["parts"]] == ["forward", "forward"]


@pytest.mark.parametrize(("kind", "first", "described"), [("sticker", "2", "image"), ("voice", "I", "audio")])
def test_stickers_and_voices_are_uploaded_served_and_sent_again(emulator, kind, first, described):
    upload = {"data": {"kind": kind}, "files": {"file": ("a.bin", b"content")}}
    file_id = emulator.http.post("/emulator/files", **upload).json()["fileId"]
    assert file_id[0] == first
    info = emulator.get("files/getInfo", fileId=file_id)
    assert info["type"] == described
    assert emulator.http.get(info["url"]).content == b"content"
    method = "messages/sendFile" if kind == "sticker" else "messages/sendVoice"
    assert emulator.get(method, chatId=ALICE, fileId=file_id)["ok"]
    assert emulator.shown()[0]["parts"] == [{"type": kind, "payload": {"fileId": file_id}}]
    wrong = emulator.http.post("/emulator/files", data={"kind": "song"}, files=upload["files"])
    assert wrong.status_code == 400


def test_a_person_sends_a_file(emulator):
    file_id = emulator.http.post("/emulator/files", files={"file": ("a.png", b"png")}).json()["fileId"]
    part = {"type": "file", "payload": {"fileId": file_id, "type": "image"}}
    emulator.order("messages", {"chatId": ALICE, "from": ALICE, "parts": [part]})

    (event,) = emulator.events()
    assert event["payload"]["parts"] == [part]
    assert event["payload"]["text"] == f"{emulator.origin}/files/get/{file_id}"
    assert emulator.http.post("/emulator/files", content=b"").status_code == 400


def test_control_answers_without_a_content_type(emulator):
    body = json.dumps({"chatId": ALICE, "from": ALICE, "text": "curl"})
    response = emulator.http.post(
        "/emulator/messages", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert response.json()["ok"] is True
