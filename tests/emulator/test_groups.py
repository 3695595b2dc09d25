"""Groups and channels: what bots change there, who may, and what others are told of it."""

import json

import pytest

from tests.emulator.serving import ALICE, BOB, BOT_ID, TEAM, served
from vkteams_bot.emulator.endpoints import ENDPOINTS
from vkteams_bot.emulator.world import World

CAROL = "carol@example.com"
OTHER_BOT = "2000000002"
OPEN = "500@chat.agent"  # the bot is a member, Alice is the admin
CLOSED = "501@chat.agent"  # the bot is no member
BOT = {"userId": BOT_ID, "firstName": "Test Bot", "nick": "test_bot"}
BOB_FACE = {"userId": BOB, "firstName": "Bob", "lastName": "Brown", "nick": "bob"}
TEAM_FACE = {"chatId": TEAM, "type": "group", "title": "Team"}


def sn(*user_ids):
    return json.dumps([{"sn": user_id} for user_id in user_ids])


def refusal(answer):
    assert answer["ok"] is False, answer
    return answer["description"]


def done(answer):
    assert answer == {"ok": True}


@pytest.fixture
def places(emulator):
    emulator.order("users", {"userId": CAROL, "firstName": "Carol"})
    emulator.order("chats", {"chatId": OPEN, "title": "Open", "members": [BOB, BOT_ID], "admins": [ALICE]})
    emulator.order("chats", {"chatId": CLOSED, "title": "Closed", "members": [ALICE], "withBot": False})
    return emulator


def told(emulator):
    """Type and payload of the events that are new, which are acknowledged."""
    events = emulator.events()
    if events:
        emulator.events(events[-1]["eventId"])
    return [(event["type"], event["payload"]) for event in events]


def member_ids(emulator, chat_id=TEAM):
    return [member["userId"] for member in emulator.get("chats/getMembers", chatId=chat_id)["members"]]


# Who may.

IN_GROUPS = {
    "chats/getAdmins": {},
    "chats/getMembers": {},
    "chats/members/add": {"members": sn(CAROL)},
}
AS_ADMIN = {
    "chats/getBlockedUsers": {},
    "chats/getPendingUsers": {},
    "chats/members/delete": {"members": sn(BOB)},
    "chats/blockUser": {"userId": BOB},
    "chats/unblockUser": {"userId": BOB},
    "chats/resolvePending": {"approve": "true", "everyone": "true"},
    "chats/setTitle": {"title": "x"},
    "chats/setAbout": {"about": "x"},
    "chats/setRules": {"rules": "x"},
    "chats/pinMessage": {"msgId": "1"},
    "chats/unpinMessage": {"msgId": "1"},
}
BOTH = IN_GROUPS | AS_ADMIN


def test_every_method_for_groups_is_looked_at():
    everywhere = {"chats/createChat", "chats/getInfo", "chats/sendActions", "chats/avatar/set"}
    assert BOTH.keys() | everywhere == {path for path in ENDPOINTS if path.startswith("chats/")}


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize(
    ("chat_id", "description"),
    [
        (CLOSED, "Permission denied"),
        ("9@chat.agent", "Invalid chatId"),
        ("", "Invalid chatId"),
        (ALICE, "Invalid chatId"),
        ("@alice", "Invalid chatId"),
    ],
)
def test_only_in_groups_of_the_bot(places, method, chat_id, description):
    assert refusal(places.post(method, chatId=chat_id, **BOTH[method])) == description


@pytest.mark.parametrize("method", AS_ADMIN)
def test_only_as_an_admin(places, method):
    assert refusal(places.post(method, chatId=OPEN, **AS_ADMIN[method])) == "Permission denied"
    places.order("members", {"chatId": OPEN, "admins": [BOT_ID]})
    assert places.post(method, chatId=OPEN, **AS_ADMIN[method]).get("description") != "Permission denied"
    places.order("members", {"chatId": OPEN, "notAdmins": [BOT_ID]})
    assert refusal(places.post(method, chatId=OPEN, **AS_ADMIN[method])) == "Permission denied"


@pytest.mark.parametrize("method", sorted(path for path, endpoint in ENDPOINTS.items() if endpoint.private))
def test_private_methods_need_the_leave_of_the_administrator(places, method):
    params = {"chatId": TEAM, "name": "x", "members": sn(CAROL)}
    places.order("behaviour", {"private_methods": False})
    assert refusal(places.post(method, **params)) == "Method not allowed"
    assert refusal(places.post(method, token="001.1.1:5")) == "Invalid token"
    places.order("behaviour", {"private_methods": True})
    assert places.post(method, **params)["ok"]


@pytest.mark.parametrize(
    ("method", "params", "description"),
    [
        ("chats/createChat", {}, "Missing required parameter 'name'"),
        ("chats/createChat", {"name": ""}, "Missing required parameter 'name'"),
        ("chats/createChat", {"name": "x", "defaultRole": "moder"}, "Bad request"),
        ("chats/createChat", {"name": "x", "members": "alice"}, "Bad request"),
        ("chats/members/add", {"chatId": TEAM}, "Missing required parameter 'members'"),
        ("chats/members/add", {"chatId": TEAM, "members": "[1]"}, "Bad request"),
        ("chats/getMembers", {"chatId": TEAM, "cursor": "?"}, "Bad request"),
        ("chats/getMembers", {"chatId": TEAM, "cursor": "eA=="}, "Bad request"),
        ("chats/blockUser", {"chatId": TEAM, "userId": "eve@example.com"}, "Bad request"),
        ("chats/blockUser", {"chatId": TEAM, "userId": ALICE}, "Permission denied"),
        ("chats/blockUser", {"chatId": TEAM, "userId": BOT_ID}, "Permission denied"),
        ("chats/members/delete", {"chatId": TEAM, "members": sn(BOB, ALICE)}, "Permission denied"),
        ("chats/resolvePending", {"chatId": TEAM, "approve": "true"}, "Bad request"),
        ("chats/resolvePending", {"chatId": TEAM, "approve": "true", "userId": BOB, "everyone": "true"}, "Bad request"),
        ("chats/setTitle", {"chatId": TEAM, "title": ""}, "Missing required parameter 'title'"),
        ("chats/pinMessage", {"chatId": TEAM, "msgId": "1"}, "msgId not found"),
        ("chats/unpinMessage", {"chatId": TEAM, "msgId": "1"}, "msgId not found"),
        ("chats/avatar/set", {"chatId": TEAM}, "Invalid file"),
    ],
)
def test_refusals(places, method, params, description):
    assert refusal(places.post(method, **params)) == description
    assert member_ids(places) == [ALICE, BOB, BOT_ID]
    assert places.events() == []


# Chats.


def test_a_chat_is_created_by_its_creator(places):
    answer = places.get(
        "chats/createChat",
        name="New",
        about="a",
        rules="r",
        members=sn(ALICE, "eve@example.com"),
        public="true",
        joinModeration="true",
    )
    assert answer.keys() == {"sn", "ok"}
    assert places.get("chats/getMembers", chatId=answer["sn"])["members"] == [
        {"userId": BOT_ID, "creator": True},
        {"userId": ALICE},
    ]
    info = places.get("chats/getInfo", chatId=answer["sn"])
    assert {key: info[key] for key in ("type", "title", "about", "rules", "public", "joinModeration")} == {
        "type": "group",
        "title": "New",
        "about": "a",
        "rules": "r",
        "public": True,
        "joinModeration": True,
    }
    assert places.order("messages", {"chatId": answer["sn"], "from": ALICE, "text": "hi"})["ok"]


def test_a_read_only_chat_is_a_channel(emulator):
    chat_id = emulator.post("chats/createChat", name="News", defaultRole="readonly")["sn"]
    assert emulator.get("chats/getInfo", chatId=chat_id)["type"] == "channel"
    assert member_ids(emulator, chat_id) == [BOT_ID]


@pytest.mark.parametrize(
    ("method", "params", "payload", "info"),
    [
        ("chats/setTitle", {"title": "Now"}, {"chat": {**TEAM_FACE, "title": "Now"}, "title": "Now"}, {"title": "Now"}),
        ("chats/setAbout", {"about": "a"}, {"chat": TEAM_FACE, "newAbout": "a"}, {"about": "a"}),
        ("chats/setRules", {"rules": "r"}, {"chat": TEAM_FACE, "newRules": "r"}, {"rules": "r"}),
    ],
)
def test_chat_info_is_changed(emulator, method, params, payload, info):
    done(emulator.post(method, chatId=TEAM, **params))
    done(emulator.post(method, chatId=TEAM, **params))
    assert emulator.get("chats/getInfo", chatId=TEAM).items() >= info.items()
    assert told(emulator) == [("changedChatInfo", payload)] * 2

    emulator.order("behaviour", {"changed_chat_info": False})
    done(emulator.post(method, chatId=TEAM, **params))
    assert told(emulator) == []


def test_an_admin_changes_chat_info(emulator):
    emulator.order("info", {"chatId": TEAM, "from": ALICE, "title": "Now", "rules": "r"})
    now = {**TEAM_FACE, "title": "Now"}
    assert told(emulator) == [
        ("changedChatInfo", {"chat": now, "title": "Now"}),
        ("changedChatInfo", {"chat": now, "newRules": "r"}),
    ]
    order = {"chatId": TEAM, "from": BOB, "title": "x"}
    assert "not an admin" in emulator.order("info", order, 400)["description"]
    assert "@" not in emulator.get("chats/getInfo", chatId=TEAM)["title"]


def test_only_admins_post_in_a_channel_and_everybody_comments(emulator):
    news = {"type": "channel", "title": "News", "admins": [ALICE], "members": [BOB, BOT_ID]}
    channel = emulator.order("chats", news)["chatId"]
    assert refusal(emulator.post("messages/sendText", chatId=channel, text="x")) == "Permission denied"
    order = {"chatId": channel, "from": BOB, "text": "x"}
    assert "not an admin" in emulator.order("messages", order, 400)["description"]
    post = emulator.write("post", chat_id=channel)
    comments = emulator.get("threads/add", chatId=channel, msgId=post)["threadId"]
    emulator.write("comment", chat_id=comments, sender=BOB)
    assert emulator.post("messages/sendText", chatId=comments, text="x")["ok"]
    emulator.order("members", {"chatId": channel, "admins": [BOT_ID]})
    assert emulator.post("messages/sendText", chatId=channel, text="x")["ok"]


def test_about_and_rules_are_removed_by_an_empty_text(emulator):
    for method, name in (("chats/setAbout", "about"), ("chats/setRules", "rules")):
        done(emulator.post(method, chatId=TEAM, **{name: "x"}))
        done(emulator.post(method, chatId=TEAM, **{name: ""}))
    assert not {"about", "rules"} & emulator.get("chats/getInfo", chatId=TEAM).keys()


def upload(emulator, part, chat_id=TEAM):
    params = {"token": emulator.token, "chatId": chat_id}
    files = {part: ("logo.png", b"\x89PNG")}
    return emulator.http.post("/bot/v1/chats/avatar/set", params=params, files=files).json()


def test_an_avatar_is_set(places):
    done(upload(places, "image"))
    (photo,) = places.get("chats/getInfo", chatId=TEAM)["photo"]
    assert places.http.get(photo["url"]).content == b"\x89PNG"
    assert told(places) == [("changedChatInfo", {"chat": TEAM_FACE})]
    assert refusal(upload(places, "file")) == "Invalid file"
    assert refusal(upload(places, "image", OPEN)) == "Permission denied"


def test_pins(emulator):
    msg_id = emulator.write("look", chat_id=TEAM, sender=BOB)
    ((_, message),) = told(emulator)

    for _ in range(2):
        done(emulator.post("chats/pinMessage", chatId=TEAM, msgId=msg_id))
    assert told(emulator) == [("pinnedMessage", message)], "from is its author; twice is once"

    for _ in range(2):
        done(emulator.post("chats/unpinMessage", chatId=TEAM, msgId=msg_id))
    unpinned = {"chat": TEAM_FACE, "msgId": msg_id, "timestamp": message["timestamp"]}
    assert told(emulator) == [("unpinnedMessage", unpinned)]


def test_pins_may_come_from_who_pinned(emulator):
    emulator.order("behaviour", {"pinned_from": "pinner"})
    msg_id = emulator.write("look", chat_id=TEAM, sender=BOB)
    emulator.order("pins", {"chatId": TEAM, "msgId": msg_id, "from": ALICE})
    assert told(emulator)[1][1]["from"]["userId"] == ALICE
    emulator.order("pins", {"chatId": TEAM, "msgId": msg_id, "from": ALICE, "pinned": False})
    assert told(emulator)[0][0] == "unpinnedMessage"
    assert "not an admin" in emulator.order("pins", {"chatId": TEAM, "msgId": msg_id, "from": BOB}, 400)["description"]


def test_a_message_that_is_gone_is_not_pinned(emulator):
    msg_id = emulator.write("x", chat_id=TEAM)
    emulator.order("deletions", {"chatId": TEAM, "from": ALICE, "msgId": msg_id})
    assert refusal(emulator.post("chats/pinMessage", chatId=TEAM, msgId=msg_id)) == "msgId not found"


# Members.


def test_admins_and_members(places):
    assert places.get("chats/getAdmins", chatId=TEAM) == {
        "admins": [{"userId": ALICE, "creator": True}, {"userId": BOT_ID}],
        "ok": True,
    }
    assert places.get("chats/getMembers", chatId=TEAM) == {
        "members": [{"userId": ALICE, "creator": True}, {"userId": BOB}, {"userId": BOT_ID, "admin": True}],
        "ok": True,
    }


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_members_come_in_pages(emulator, size):
    emulator.order("behaviour", {"members_page_size": size})
    pages, cursor = [], ""
    while cursor is not None:
        answer = emulator.get("chats/getMembers", chatId=TEAM, cursor=cursor)
        pages.append([member["userId"] for member in answer["members"]])
        cursor = answer.get("cursor")
    assert [user_id for page in pages for user_id in page] == [ALICE, BOB, BOT_ID]
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)


def test_adding_is_a_partial_success(places):
    places.order("users", {"userId": "dave@example.com", "addError": "user_must_join_by_link"})
    done(places.post("chats/blockUser", chatId=TEAM, userId=BOB))

    answer = places.post(
        "chats/members/add", chatId=TEAM, members=sn(CAROL, ALICE, "eve@example.com", "dave@example.com", BOB, CAROL)
    )
    assert answer == {
        "ok": True,
        "failures": [
            {"id": ALICE, "error": "user_already_added"},
            {"id": "eve@example.com", "error": "user_not_found"},
            {"id": "dave@example.com", "error": "user_must_join_by_link"},
            {"id": BOB, "error": "user_blocked_confirmation_required"},
        ],
    }
    carol = {"userId": CAROL, "firstName": "Carol"}
    assert told(places) == [("newChatMembers", {"chat": TEAM_FACE, "newMembers": [carol], "addedBy": BOT})]
    assert member_ids(places) == [ALICE, BOT_ID, CAROL]

    places.order("users", {"userId": "dave@example.com"})
    done(places.post("chats/members/add", chatId=TEAM, members=sn("dave@example.com")))


def test_a_bot_may_not_be_addable(places):
    places.order("users", {"userId": BOT_ID, "addError": "bot_setjoingroups_false"})
    order = {"chatId": CLOSED, "add": [BOT_ID], "from": ALICE}
    (failure,) = places.order("members", order)["failures"]
    assert failure == {"id": BOT_ID, "error": "bot_setjoingroups_false"}
    places.order("users", {"userId": BOT_ID, "addError": None})
    assert places.order("members", order)["failures"] == []


def test_who_is_no_admin_of_a_moderated_group_only_suggests(places):
    chat_id = places.order("chats", {"members": [BOB], "admins": [ALICE], "joinModeration": True})["chatId"]
    answer = places.post("chats/members/add", chatId=chat_id, members=sn(CAROL))
    assert answer["failures"] == [{"id": CAROL, "error": "user_waiting_for_approve"}]
    places.order("members", {"chatId": chat_id, "admins": [BOT_ID]})
    assert places.get("chats/getPendingUsers", chatId=chat_id) == {"users": [{"userId": CAROL}], "ok": True}
    done(places.post("chats/members/add", chatId=chat_id, members=sn(CAROL)))
    assert places.get("chats/getPendingUsers", chatId=chat_id)["users"] == []


def test_members_are_removed(places):
    done(places.post("chats/members/delete", chatId=TEAM, members=sn(BOB, CAROL)))
    assert told(places) == [("leftChatMembers", {"chat": TEAM_FACE, "leftMembers": [BOB_FACE], "removedBy": BOT})]
    assert member_ids(places) == [ALICE, BOT_ID]
    assert "not a member" in places.order("messages", {"chatId": TEAM, "from": BOB, "text": "x"}, 400)["description"]
    done(places.post("chats/members/delete", chatId=TEAM, members=sn(BOB)))
    assert told(places) == [], "twice is once"


def test_people_come_and_go(places):
    assert places.order("members", {"chatId": TEAM, "add": [CAROL]})["failures"] == []
    places.order("members", {"chatId": TEAM, "remove": [CAROL]})
    places.order("members", {"chatId": TEAM, "add": [CAROL], "remove": [BOB], "from": ALICE})

    joined, left, added, removed = told(places)
    carol = {"userId": CAROL, "firstName": "Carol"}
    assert joined == ("newChatMembers", {"chat": TEAM_FACE, "newMembers": [carol]})
    assert left == ("leftChatMembers", {"chat": TEAM_FACE, "leftMembers": [carol]})
    assert (added[0], added[1]["addedBy"]["userId"]) == ("newChatMembers", ALICE)
    assert (removed[0], removed[1]["removedBy"]["userId"]) == ("leftChatMembers", ALICE)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"chatId": "9@chat.agent"}, "there is no chat"),
        ({"chatId": TEAM, "add": ["eve@example.com"]}, "there is no user"),
        ({"chatId": TEAM, "add": [CAROL], "from": CAROL}, "not a member"),
        ({"chatId": TEAM, "remove": [ALICE], "from": BOB}, "not an admin"),
        ({"chatId": TEAM, "remove": [ALICE], "from": BOT_ID}, "Permission denied"),
        ({"chatId": TEAM, "admins": [CAROL]}, "not a member"),
        ({"chatId": TEAM, "notAdmins": [ALICE]}, "is the creator"),
        ({"chatId": TEAM, "join": [CAROL]}, "join"),
    ],
)
def test_membership_that_cannot_be_is_a_400(places, change, problem):
    assert problem in places.order("members", change, 400)["description"]
    assert member_ids(places) == [ALICE, BOB, BOT_ID]


def test_pending_people_are_let_in_or_turned_away(places):
    chat_id = places.order("chats", {"title": "M", "admins": [BOT_ID], "joinModeration": True})["chatId"]

    def knock(*user_ids):
        failures = places.order("members", {"chatId": chat_id, "add": [*user_ids]})["failures"]
        assert [failure["error"] for failure in failures] == ["user_waiting_for_approve"] * len(user_ids)

    knock(ALICE, BOB, CAROL)
    assert told(places) == []
    pending = places.get("chats/getPendingUsers", chatId=chat_id)["users"]
    assert [user["userId"] for user in pending] == [ALICE, BOB, CAROL]

    done(places.post("chats/resolvePending", chatId=chat_id, approve="true", userId=BOB, everyone="false"))
    done(places.post("chats/resolvePending", chatId=chat_id, approve="false", userId="", everyone="true"))
    assert member_ids(places, chat_id) == [BOT_ID, BOB]
    ((kind, payload),) = told(places)
    assert (kind, payload["newMembers"], payload["addedBy"]) == ("newChatMembers", [BOB_FACE], BOT)

    for who in ({"userId": ALICE}, {"everyone": "true"}):
        description = refusal(places.post("chats/resolvePending", chatId=chat_id, approve="true", **who))
        assert "not pending or nobody in pending list" in description


def test_blocked_people_stay_out_until_unblocked(places):
    places.write("spam", chat_id=TEAM, sender=BOB)
    keep = places.write("ham", chat_id=TEAM)
    told(places)

    done(places.post("chats/blockUser", chatId=TEAM, userId=BOB))
    assert len(places.shown(TEAM)) == 2
    done(places.post("chats/blockUser", chatId=TEAM, userId=BOB, delLastMessages="true"))
    assert [message["msgId"] for message in places.shown(TEAM)] == [keep]
    assert places.get("chats/getBlockedUsers", chatId=TEAM) == {"users": [{"userId": BOB}], "ok": True}
    assert member_ids(places) == [ALICE, BOT_ID]
    (failure,) = places.order("members", {"chatId": TEAM, "add": [BOB]})["failures"]
    assert failure["error"] == "user_blocked_confirmation_required"
    assert told(places) == [], "blocks are no events"

    for _ in range(2):
        done(places.post("chats/unblockUser", chatId=TEAM, userId=BOB))
    assert places.get("chats/getBlockedUsers", chatId=TEAM)["users"] == []
    assert places.order("members", {"chatId": TEAM, "add": [BOB]})["failures"] == []


# Whose events.


def kinds(emulator, token):
    emulator.token = token
    return [kind for kind, _ in told(emulator)]


@pytest.mark.parametrize(("echo", "own"), [(True, True), (True, False), (False, True), (False, False)])
def test_bots_hear_of_what_they_do_and_of_themselves_by_switch(echo, own):
    first, second = "001.1.1:1000000001", "001.1.2:2000000002"
    with served(World([first, second])) as emulator:
        emulator.order("behaviour", {"echo_changes": echo, "own_membership": own})
        emulator.token = first
        done(emulator.post("chats/members/add", chatId=TEAM, members=sn(OTHER_BOT)))
        emulator.write("hi", chat_id=TEAM)
        done(emulator.post("chats/setTitle", chatId=TEAM, title="x"))
        done(emulator.post("chats/members/delete", chatId=TEAM, members=sn(OTHER_BOT)))
        emulator.write("ho", chat_id=TEAM)

        own_changes = ["newChatMembers"], ["changedChatInfo", "leftChatMembers"]
        before, after = own_changes if echo else ([], [])
        assert kinds(emulator, first) == [*before, "newMessage", *after, "newMessage"]
        joined, left = (["newChatMembers"], ["leftChatMembers"]) if own else ([], [])
        assert kinds(emulator, second) == [*joined, "newMessage", "changedChatInfo", *left]
        emulator.token = second
        assert refusal(emulator.post("messages/sendText", chatId=TEAM, text="x")) == "Permission denied"


def test_a_bot_that_is_added_twice_hears_once():
    world = World(["001.1.1:1000000001", "001.1.2:2000000002"])
    chat = world.directory.group(TEAM)
    for _ in range(2):
        world.join(TEAM, [OTHER_BOT])
    world.directory.join(chat, OTHER_BOT)
    world.write(ALICE, TEAM, "x")
    events = world.bots["001.1.2:2000000002"].queue.take(0, 10)
    assert [event["type"] for event in events] == ["newChatMembers", "newMessage"]


def test_listeners_are_told_to_look_again():
    world = World()
    seen = []
    world.listen(lambda change: seen.append((change.kind, sorted(change.user_ids))))
    world.leave(TEAM, [BOB])
    world.join(TEAM, [BOB])
    assert seen == [("chats", [ALICE, BOB])] * 2
