"""Threads: chats of their own under a message, and who hears of what is written there (botapi.md §2.5, §6.2)."""

import pytest

from tests.emulator.serving import ALICE, BOB, BOT_ID, TEAM, served
from vkteams_bot.emulator.world import World


def refusal(answer):
    assert answer["ok"] is False, answer
    return answer["description"]


def told(emulator):
    events = emulator.events()
    if events:
        emulator.events(events[-1]["eventId"])
    return [(event["type"], event["payload"]) for event in events]


def texts(emulator):
    return [payload["text"] for _, payload in told(emulator)]


@pytest.fixture
def root(emulator):
    msg_id = emulator.write("root", chat_id=TEAM, sender=BOB)
    told(emulator)
    return msg_id


@pytest.fixture
def thread(emulator, root):
    return emulator.get("threads/add", chatId=TEAM, msgId=root)["threadId"]


def subscribers(emulator, thread, **params):
    params = params or {"pageSize": 100}
    answer = emulator.get("threads/subscribers/get", threadId=thread, **params)
    return [subscriber["sn"] for subscriber in answer["subscribers"]]


def test_a_thread_is_made_once(emulator, root, thread):
    assert thread.endswith("@chat.agent")
    assert emulator.post("threads/add", chatId=TEAM, msgId=root) == {"threadId": thread, "ok": True}
    assert emulator.order("threads", {"chatId": TEAM, "msgId": root, "from": ALICE})["chatId"] == thread
    other = emulator.write("other root", chat_id=TEAM)
    assert emulator.get("threads/add", chatId=TEAM, msgId=other)["threadId"] != thread


def test_a_bot_writes_into_it(emulator, thread):
    assert emulator.post("messages/sendText", chatId=thread, text=f"hi @[{ALICE}]")["ok"]
    (message,) = emulator.shown(thread)
    assert (message["text"], message["parts"][0]["payload"]["userId"]) == (f"hi @[{ALICE}]", ALICE)
    assert len(emulator.shown(TEAM)) == 1
    assert told(emulator) == []


def test_events_of_a_group_thread_need_autosubscription(emulator, root, thread):
    emulator.write("unheard", chat_id=thread)
    assert told(emulator) == []

    assert emulator.post("threads/autosubscribe", chatId=TEAM, enable="true") == {"ok": True}
    emulator.write("unheard, too: the thread is older", chat_id=thread)
    new_root = emulator.write("new root", chat_id=TEAM)
    new = emulator.order("threads", {"chatId": TEAM, "msgId": new_root, "from": ALICE})["chatId"]
    emulator.write("heard", chat_id=new)
    _, (kind, payload) = told(emulator)
    assert (kind, payload["text"]) == ("newMessage", "heard")
    assert payload["chat"] == {"chatId": new, "type": "group", "title": ""}
    assert payload["parent_topic"] == {"chatId": TEAM, "messageId": int(new_root), "type": "message"}

    assert emulator.post("threads/autosubscribe", chatId=TEAM, enable="true", withExisting="true") == {"ok": True}
    emulator.write("now heard", chat_id=thread)
    assert texts(emulator) == ["now heard"]

    assert emulator.post("threads/autosubscribe", chatId=TEAM, enable="false") == {"ok": True}
    emulator.write("still heard", chat_id=thread)
    assert texts(emulator) == ["still heard"]
    assert emulator.post("threads/autosubscribe", chatId=TEAM, enable="false", withExisting="true") == {"ok": True}
    emulator.write("no longer", chat_id=thread)
    assert told(emulator) == []


def test_comments_in_a_channel_reach_every_bot_that_is_a_member(emulator):
    channel = emulator.order("chats", {"type": "channel", "title": "News", "admins": [ALICE], "members": [BOB]})
    post = emulator.write("post", chat_id=channel["chatId"])
    comments = emulator.order("threads", {"chatId": channel["chatId"], "msgId": post, "from": BOB})["chatId"]
    emulator.write("first", chat_id=comments, sender=BOB)
    assert [payload["chat"]["type"] for _, payload in told(emulator)] == ["channel", "group"]


def test_quirks_of_threads(emulator, root, thread):
    in_thread = emulator.post("messages/sendText", chatId=thread, text="x")["msgId"]
    forward = {"chatId": ALICE, "text": "", "forwardMsgId": in_thread}
    quirks = [
        ("messages/sendText", {"chatId": thread, "text": "x", "replyMsgId": in_thread}, "Bad request"),
        ("messages/sendText", {**forward, "forwardChatId": thread}, "Bad request"),
        ("messages/sendText", {**forward, "forwardChatId": TEAM}, "msgId not found"),
        ("chats/getInfo", {"chatId": thread}, "Bad request"),
        ("chats/getMembers", {"chatId": thread}, "Permission denied"),
        ("threads/add", {"chatId": thread, "msgId": in_thread}, "Bad request"),
        ("threads/autosubscribe", {"chatId": thread, "enable": "true"}, "Bad request"),
        ("threads/add", {"chatId": TEAM, "msgId": "1"}, "msgId not found"),
        ("threads/add", {"chatId": ALICE, "msgId": root}, "Invalid chatId"),
        ("threads/autosubscribe", {"chatId": ALICE, "enable": "true"}, "Invalid chatId"),
        ("threads/subscribers/get", {"threadId": thread}, "Bad request"),
        ("threads/subscribers/get", {"threadId": thread, "pageSize": "0"}, "Bad request"),
        ("threads/subscribers/get", {"threadId": thread, "cursor": "?"}, "Bad request"),
        ("threads/subscribers/get", {"threadId": TEAM, "pageSize": "1"}, "Incorrect threadId"),
        ("threads/subscribers/get", {"threadId": "x", "pageSize": "1"}, "Incorrect threadId"),
    ]
    assert [refusal(emulator.post(method, **params)) for method, params, _ in quirks] == [
        description for _, _, description in quirks
    ]


def test_subscribers_are_who_wrote_opened_or_asked(emulator, root, thread):
    assert subscribers(emulator, thread) == [BOB], "the author of the root"
    emulator.post("messages/sendText", chatId=thread, text="a bot that writes does not subscribe")
    emulator.write("x", chat_id=thread, sender=ALICE)
    emulator.post("threads/autosubscribe", chatId=TEAM, enable="true", withExisting="true")
    assert subscribers(emulator, thread) == [BOB, ALICE, BOT_ID]

    page = emulator.get("threads/subscribers/get", threadId=thread, pageSize=2)
    assert page.keys() == {"subscribers", "cursor", "ok"}
    assert page["subscribers"][0]["userState"]["lastseen"] > 1_700_000_000
    assert subscribers(emulator, thread, cursor=page["cursor"]) == [BOT_ID]
    assert "cursor" not in emulator.get("threads/subscribers/get", threadId=thread, cursor=page["cursor"])

    emulator.order("members", {"chatId": TEAM, "remove": [BOB]})
    assert subscribers(emulator, thread) == [ALICE, BOT_ID]


def test_who_comes_into_the_group_comes_into_its_threads(emulator, thread):
    emulator.order("users", {"userId": "carol@example.com", "firstName": "Carol"})
    order = {"chatId": thread, "from": "carol@example.com", "text": "x"}
    assert "not a member" in emulator.order("messages", order, 400)["description"]
    emulator.order("members", {"chatId": TEAM, "add": ["carol@example.com"]})
    emulator.order("messages", order)
    emulator.order("members", {"chatId": TEAM, "remove": [BOT_ID]})
    assert refusal(emulator.post("messages/sendText", chatId=thread, text="x")) == "Permission denied"
    assert refusal(emulator.get("threads/subscribers/get", threadId=thread, pageSize=1)) == "Permission denied"


def test_an_older_server_has_no_threads(emulator, root):
    emulator.order("behaviour", {"threads": False})
    for method in ("threads/add", "threads/autosubscribe", "threads/subscribers/get"):
        assert refusal(emulator.post(method, chatId=TEAM, msgId=root)) == "Unknown method"


def test_a_thread_made_by_hand_is_that_of_its_message(emulator, root):
    parent = {"chatId": TEAM, "messageId": int(root), "type": "message"}
    by_hand = {"type": "group", "members": [ALICE], "parentTopic": parent}
    thread = emulator.order("chats", by_hand)["chatId"]
    assert emulator.get("threads/add", chatId=TEAM, msgId=root)["threadId"] == thread
    assert "has a thread" in emulator.order("chats", by_hand, 400)["description"]
    emulator.write("x", chat_id=thread)
    assert texts(emulator) == ["x"], "its members are its subscribers"


@pytest.mark.parametrize(
    ("what", "body", "problem"),
    [
        ("threads", {"chatId": TEAM, "msgId": "1", "from": ALICE}, "msgId not found"),
        ("threads", {"chatId": "9@chat.agent", "msgId": "1", "from": ALICE}, "there is no chat"),
        ("threads", {"chatId": TEAM, "msgId": "1", "from": "eve@example.com"}, "not a member"),
    ],
)
def test_threads_that_people_cannot_open(emulator, what, body, problem):
    assert problem in emulator.order(what, body, 400)["description"]


def test_people_see_a_thread_among_their_chats():
    world = World()
    root = world.write(ALICE, TEAM, "root")
    thread = world.open_thread(BOB, TEAM, root)
    view = world.chats_of(ALICE)[-1]
    assert (view.id, view.title) == (thread, thread)
    assert [member["userId"] for member in view.members] == [ALICE, BOB, BOT_ID]


def test_other_bots_do_not_hear_a_thread_they_did_not_ask_for():
    with served(World(["001.1.1:1000000001", "001.1.2:2000000002"])) as emulator:
        emulator.order("members", {"chatId": TEAM, "add": ["2000000002"]})
        root = emulator.write("root", chat_id=TEAM)
        emulator.token = "001.1.2:2000000002"
        emulator.post("threads/autosubscribe", chatId=TEAM, enable="true")
        emulator.token = "001.1.1:1000000001"
        thread = emulator.get("threads/add", chatId=TEAM, msgId=root)["threadId"]
        emulator.post("messages/sendText", chatId=thread, text="between bots")
        assert "between bots" not in str(told(emulator))
        emulator.token = "001.1.2:2000000002"
        assert told(emulator)[-1][1]["text"] == "between bots"
