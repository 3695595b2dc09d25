import pytest

from tests.emulator.serving import ALICE, BOB, BOT_ID, TEAM
from vkteams_bot.emulator.behaviour import Behaviour
from vkteams_bot.emulator.changes import Change
from vkteams_bot.emulator.chat import KEPT_MESSAGES
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.world import World

TOKENS = ("001.1.1:1000000001", "001.1.2:2000000002")


@pytest.fixture
def world():
    return World(TOKENS, first_event_id=1)


@pytest.fixture
def bot(world):
    return world.bots[TOKENS[0]]


@pytest.fixture
def changes(world):
    seen: list[Change] = []
    world.listen(seen.append)
    return seen


def events(bot):
    return [(event["type"], event["payload"]) for event in bot.queue.take(0, 100)]


def test_the_first_world(world):
    assert {user.name for user in world.users.values()} == {"Alice Smith", "Bob Brown"}
    assert [bot.user_id for bot in world.bots.values()] == ["1000000001", "2000000002"]

    first, second, team = world.chats_of(ALICE)

    assert (first.id, first.type, first.title) == ("1000000001", "private", "Test Bot")
    assert (second.id, second.title) == ("2000000002", "Test Bot 2")
    assert (team.id, team.type, team.title, team.last_message) == (TEAM, "group", "Team", None)
    assert [member["userId"] for member in team.members] == [ALICE, BOB, "1000000001"]


def test_a_private_message_reaches_its_bot_alone_in_the_shape_of_the_wire(world, bot):
    msg_id = world.write(ALICE, BOT_ID, "hi")

    ((kind, payload),) = events(bot)
    assert kind == "newMessage"
    assert payload == {
        "chat": {"chatId": ALICE, "type": "private"},
        "from": {"userId": ALICE, "firstName": "Alice", "lastName": "Smith", "nick": "alice"},
        "msgId": msg_id,
        "text": "hi",
        "timestamp": int(msg_id) >> 32,
    }
    assert events(world.bots[TOKENS[1]]) == []


def test_a_group_message_reaches_the_bots_of_the_group_but_its_author(world, bot):
    other = world.bots[TOKENS[1]]
    chat = world.create_chat("group", "Both", [ALICE, BOB], [bot.user_id, other.user_id])

    world.write(BOB, chat.chat_id, "from a person")
    world.post(chat, bot.user, text="from a bot")

    assert [payload["text"] for _, payload in events(bot)] == ["from a person"]
    assert [payload["text"] for _, payload in events(other)] == ["from a person", "from a bot"]
    assert events(bot)[0][1]["chat"] == {"chatId": chat.chat_id, "type": "group", "title": "Both"}


def test_mentions_and_replies_are_parts(world, bot):
    first = world.write(ALICE, TEAM, "one")
    world.write(BOB, TEAM, f"@[{BOT_ID}] and @[nobody] and @[{BOT_ID}]", reply_to=first)

    reply, mention = events(bot)[1][1]["parts"]
    assert reply["type"] == "reply"
    assert {key: reply["payload"]["message"][key] for key in ("msgId", "text")} == {"msgId": first, "text": "one"}
    assert mention == {
        "type": "mention",
        "payload": {"userId": BOT_ID, "firstName": "Test Bot", "nick": "test_bot"},
    }


def test_a_file_without_caption_has_its_address_as_text(world, bot):
    stored = world.files.add("a.png", b"x")
    world.base_url = "http://host"

    world.write(ALICE, BOT_ID, "", parts=[stored.part()])
    world.write(ALICE, BOT_ID, "", parts=[stored.part("look")])

    bare, captioned = (payload for _, payload in events(bot))
    assert bare["text"] == f"http://host/files/get/{stored.file_id}"
    assert bare["parts"] == [{"type": "file", "payload": {"fileId": stored.file_id, "type": "image"}}]
    assert "text" not in captioned
    assert captioned["parts"][0]["payload"]["caption"] == "look"


def test_a_sticker_has_its_address_as_text_and_shows_again_as_one(world, bot):
    sticker = world.files.add("a.png", b"x", sticker=True)
    world.write(ALICE, BOT_ID, "", parts=[sticker.part()])

    ((_, payload),) = events(bot)
    assert sticker.file_id[0] == "2"
    assert payload["parts"] == [{"type": "sticker", "payload": {"fileId": sticker.file_id}}]
    assert payload["text"] == world.file_url(sticker.file_id)
    assert sticker.type == "image"


def test_several_files_have_addresses_captions_and_text_as_text(world, bot):
    one, two = world.files.add("a.png", b"x"), world.files.add("b.txt", b"y")
    styled = {"bold": [{"offset": 0, "length": 1}]}
    world.write(ALICE, BOT_ID, "text", parts=[one.part("caption", styled), two.part()])
    world.behaviour = Behaviour(file_url_as_text=False)
    world.write(ALICE, BOT_ID, "", parts=[one.part("caption"), two.part()])

    first, second = (payload for _, payload in events(bot))
    assert first["text"].split("\n") == [world.file_url(one.file_id), world.file_url(two.file_id), "caption", "text"]
    assert [part["payload"] for part in first["parts"]] == [
        {"fileId": one.file_id, "type": "image"},
        {"fileId": two.file_id},
    ]
    assert second["text"] == "caption"


def test_people_forward_from_their_other_chats(world, bot):
    one, two = world.write(ALICE, TEAM, "one"), world.write(BOB, TEAM, "two")
    world.forward(ALICE, BOT_ID, TEAM, [one])
    world.forward(ALICE, BOT_ID, TEAM, [one, two], "look")

    bare, with_text = (payload for _, payload in events(bot)[2:])
    assert "text" not in bare
    (part,) = bare["parts"]
    assert (part["type"], part["payload"]["message"]["text"]) == ("forward", "one")
    assert with_text["text"] == "look"
    assert [part["payload"]["message"]["from"]["userId"] for part in with_text["parts"]] == [ALICE, BOB]
    chat = world.create_chat("group", "Others", [BOB])
    secret = world.write(BOB, chat.chat_id, "secret")
    for source, msg_id, problem in ((chat.chat_id, secret, "not a member"), (TEAM, "1", "msgId not found")):
        with pytest.raises(Refusal, match=problem):
            world.forward(ALICE, BOT_ID, source, [msg_id])


def test_a_button_with_an_address_tells_the_bot_nothing(world, bot):
    rows = [[{"text": "a", "callbackData": "x", "url": "https://example.com"}, {"text": "b", "callbackData": "y"}]]
    message = world.post(world.directory.private(bot, ALICE), bot.user, text="choose", keyboard=rows)

    with pytest.raises(Refusal, match="opens its url"):
        world.press(ALICE, BOT_ID, message.msg_id, "x")
    world.press(ALICE, BOT_ID, message.msg_id, "y")
    assert [payload["callbackData"] for _, payload in events(bot)] == ["y"]


def test_history_is_what_a_person_sees(world, bot):
    chat = world.directory.private(bot, ALICE)
    rows = [[{"text": "a", "callbackData": "x"}]]
    first = world.write(ALICE, BOT_ID, "one")
    world.post(chat, bot.user, text="two", keyboard=rows)
    gone = world.write(ALICE, BOT_ID, "three")
    world.edit(ALICE, BOT_ID, first, "uno")
    world.delete(ALICE, BOT_ID, gone)

    one, two, three = world.history(ALICE, BOT_ID)

    assert (one["text"], one["format"], one["parts"], one["from"]["userId"]) == ("uno", {}, [], ALICE)
    assert one["editedTimestamp"] >= one["timestamp"]
    assert two["inlineKeyboardMarkup"] == rows
    assert "editedTimestamp" not in two
    assert (three["msgId"], three["text"], three["deleted"]) == (gone, "", True)
    assert world.chats_of(ALICE)[0].last_message == two


def test_an_edit_is_an_event(world, bot):
    msg_id = world.write(ALICE, TEAM, f"@[{BOB}]")
    world.edit(ALICE, TEAM, msg_id, f"@[{ALICE}]")

    kind, payload = events(bot)[1]
    assert (kind, payload["msgId"], payload["text"]) == ("editedMessage", msg_id, f"@[{ALICE}]")
    assert [part["payload"]["userId"] for part in payload["parts"]] == [ALICE]
    assert payload["editedTimestamp"] >= payload["timestamp"]
    assert events(bot)[0][1]["text"] == f"@[{BOB}]", "an event already queued does not change"


def test_a_deletion_is_seen_in_private_chats_only_and_has_a_ghost(world, bot):
    private, group = world.write(ALICE, BOT_ID, "a"), world.write(ALICE, TEAM, "b")
    world.delete(ALICE, TEAM, group)
    world.delete(ALICE, BOT_ID, private)

    (_, _), (_, _), (deleted, gone), (twin, ghost) = events(bot)
    assert (deleted, gone["msgId"], gone["chat"]["chatId"]) == ("deletedMessage", private, ALICE)
    assert (twin, ghost["msgId"], ghost["from"]["userId"]) == ("newMessage", private, ALICE)
    assert "text" not in ghost
    assert ghost["editedTimestamp"] >= ghost["timestamp"]


def test_without_ghost_twin():
    world = World(behaviour=Behaviour(ghost_twin=False))
    (bot,) = world.bots.values()
    world.delete(ALICE, BOT_ID, world.write(ALICE, BOT_ID, "a"))

    assert [kind for kind, _ in events(bot)] == ["newMessage", "deletedMessage"]


def test_a_press_names_presser_message_and_keyboard(world, bot):
    rows = [[{"text": "a", "callbackData": "x"}]]
    message = world.post(world.directory.chat_for_person(BOB, TEAM), bot.user, text="choose", keyboard=rows)

    query_id = world.press(BOB, TEAM, message.msg_id, "x")

    ((kind, payload),) = events(bot)
    assert kind == "callbackQuery"
    assert (payload["callbackData"], payload["queryId"], payload["from"]["userId"]) == ("x", query_id, BOB)
    assert query_id.startswith(f"SVR:{BOB}:{BOT_ID}:")
    assert payload["message"]["from"]["userId"] == BOT_ID
    assert payload["message"]["chat"]["chatId"] == TEAM
    assert payload["message"]["parts"] == [{"type": "inlineKeyboardMarkup", "payload": rows}]


def test_listeners_hear_who_sees_what(world, bot, changes):
    chat = world.directory.chat_for_person(BOB, TEAM)
    private = world.directory.private(bot, ALICE)
    msg_id = world.write(ALICE, BOT_ID, "hi")
    world.edit(ALICE, BOT_ID, msg_id, "ho")
    world.delete(ALICE, BOT_ID, msg_id)
    world.act(chat, bot.user, ["looking", "typing"])
    world.act(chat, bot.user, [])
    message = world.post(chat, bot.user, text="choose")
    query_id = world.press(BOB, TEAM, message.msg_id, "x")
    world.answer_query(world.queries.find(bot, query_id), {"text": "done", "showAlert": False, "url": ""})
    world.create_chat("channel", "News", [BOB], [ALICE])

    heard = [(change.kind, change.chat.id, sorted(change.user_ids)) for change in changes]
    assert heard == [
        ("message", BOT_ID, [ALICE]),
        ("edited", BOT_ID, [ALICE]),
        ("deleted", BOT_ID, [ALICE]),
        ("action", TEAM, [ALICE, BOB]),
        ("action", TEAM, [ALICE, BOB]),
        ("message", TEAM, [ALICE, BOB]),
        ("callback_answer", TEAM, [BOB]),
        ("chats", "1001@chat.agent", [ALICE, BOB]),
    ]
    assert private.messages[msg_id].deleted
    payloads = [change.payload for change in changes]
    assert (payloads[0]["text"], payloads[1]["text"], payloads[2]) == ("hi", "ho", {"msgId": msg_id})
    assert [payload["action"] for payload in payloads[3:5]] == ["typing", "none"]
    assert payloads[6] == {"queryId": query_id, "text": "done", "showAlert": False, "url": ""}


def test_who_stops_listening_hears_no_more(world):
    seen: list[Change] = []
    stop = world.listen(seen.append)
    stop()
    world.write(ALICE, BOT_ID, "hi")

    assert seen == []


def test_reset_keeps_bots_and_ids_ascending(world, bot, changes):
    before = int(world.write(ALICE, BOT_ID, "hi"))
    event_id = bot.queue.next_id
    world.add_user("carol@example.com", "Carol")
    world.reset()

    assert world.history(ALICE, BOT_ID) == []
    assert set(world.users) == {ALICE, BOB}
    assert events(bot) == []
    assert int(world.write(ALICE, TEAM, "again")) > before
    assert bot.queue.next_id > event_id
    assert [change.user_ids for change in changes if change.kind == "reset"] == [{ALICE, BOB, "carol@example.com"}]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda world: world.write("eve@example.com", BOT_ID, "x"), "there is no user eve@example.com"),
        (lambda world: world.write(ALICE, "5@chat.agent", "x"), "there is no chat 5@chat.agent"),
        (lambda world: world.write(ALICE, BOT_ID, ""), "text or parts"),
        (lambda world: world.write(ALICE, BOT_ID, "x", reply_to="1"), "msgId not found"),
        (lambda world: world.edit(BOB, TEAM, world.write(ALICE, TEAM, "x"), "y"), "not from bob"),
        (lambda world: world.delete(BOB, TEAM, world.write(ALICE, TEAM, "x")), "not from bob"),
        (lambda world: world.press(ALICE, TEAM, world.write(ALICE, TEAM, "x"), "y"), "no buttons"),
        (lambda world: world.add_user(BOT_ID, "x"), "is a bot"),
        (lambda world: world.add_user("5@chat.agent", "x"), "userId"),
        (lambda world: world.create_chat("group", "x", ["eve"]), "there is no user eve"),
        (lambda world: world.create_chat("group", "x", [], chat_id=TEAM), "exists"),
        (lambda world: world.create_chat("group", "x", [], chat_id="x"), "@chat.agent"),
        (lambda world: world.chats_of("eve"), "there is no user eve"),
    ],
)
def test_what_people_may_not_do(world, act, reason):
    with pytest.raises(Refusal, match=reason):
        act(world)


def test_an_admin_deletes_what_others_wrote(world):
    msg_id = world.write(BOB, TEAM, "x")
    world.delete(ALICE, TEAM, msg_id)

    assert world.history(BOB, TEAM)[0]["deleted"]


def test_outsiders_have_no_part_in_a_group(world):
    chat = world.create_chat("group", "Mine", [], [ALICE])

    with pytest.raises(Refusal, match="not a member"):
        world.write(BOB, chat.chat_id, "x")
    assert [view.title for view in world.chats_of(BOB)][2:] == ["Team"]


def test_a_renamed_person_is_renamed_in_their_chats(world):
    world.add_user(ALICE, "Alicia")

    assert {"userId": ALICE, "firstName": "Alicia"} in world.chats_of(BOB)[2].members


def test_a_thread_names_its_parent_unless_switched_off(world, bot):
    parent = {"chatId": TEAM, "messageId": 7, "type": "message"}
    chat = world.create_chat("group", "", [ALICE, BOT_ID], parent=parent)
    world.write(ALICE, chat.chat_id, "a")
    world.behaviour = Behaviour(parent_topic=False)
    world.write(ALICE, chat.chat_id, "b")

    with_parent, without = (payload for _, payload in events(bot))
    assert with_parent["parent_topic"] == parent
    assert "parent_topic" not in without


def test_a_chat_forgets_its_oldest_messages(world, bot):
    first = world.write(ALICE, BOT_ID, "first")
    for _ in range(KEPT_MESSAGES):
        world.write(ALICE, BOT_ID, "x")

    history = world.history(ALICE, BOT_ID)
    assert len(history) == KEPT_MESSAGES
    assert all(message["msgId"] != first for message in history)


def test_two_tokens_of_one_bot_are_an_error():
    with pytest.raises(ValueError, match="two tokens of the bot 5"):
        World(["a:5", "b:5"])


def test_a_token_of_another_shape_gets_a_bot_id():
    (bot,) = World(["secret"]).bots.values()

    assert bot.user_id == BOT_ID


def test_a_bot_added_later_to_an_empty_world_is_in_the_team():
    world = World([])
    bot = world.add_bot("a:7", first_name="Shop", nick="shop_bot")

    assert world.directory.chat_for_bot(bot, TEAM).admins == {ALICE, "7"}
    assert world.chats_of(ALICE)[0].title == "Shop"


def test_events_begin_where_told_or_at_the_clock():
    assert next(iter(World(first_event_id=5).bots.values())).queue.next_id == 5
    assert next(iter(World(clock=lambda: 1700000000.25).bots.values())).queue.next_id == 1700000000250
