"""key_for: the one builder of conversation keys."""

import pytest

from tests.routing.events import event_of, message_event, press_event
from vkteams_bot.fsm import StateKey, Strategy, key_for

GROUP = {"chatId": "7@chat.agent", "type": "group"}
THREAD = {"chatId": "9@chat.agent", "type": "group"}
TOPIC = {"chatId": "7@chat.agent", "messageId": 5, "type": "message"}
ANN = {"userId": "ann@corp"}
BOB = {"userId": "bob@corp"}


def key(event, strategy=Strategy.USER_IN_CHAT):
    assert event.payload is not None, event.problem
    return key_for(event.payload, "default", strategy)


IN_GROUP = message_event("hi", chat=GROUP, sender=ANN)
IN_THREAD = message_event("hi", chat=THREAD, sender=ANN, parent_topic=TOPIC)
PRIVATE = message_event("hi", sender=ANN)


@pytest.mark.parametrize(
    ("strategy", "in_group", "in_thread", "private"),
    [
        ("user_in_chat", ("7@chat.agent", "ann@corp"), ("7@chat.agent", "ann@corp"), ("ann@corp", "ann@corp")),
        ("chat", ("7@chat.agent", ""), ("7@chat.agent", ""), ("ann@corp", "")),
        ("global_user", ("", "ann@corp"), ("", "ann@corp"), ("", "ann@corp")),
        ("user_in_thread", ("7@chat.agent", "ann@corp"), ("9@chat.agent", "ann@corp"), ("ann@corp", "ann@corp")),
    ],
)
def test_strategies(strategy, in_group, in_thread, private):
    strategy = Strategy(strategy)
    assert key(IN_GROUP, strategy) == StateKey("default", *in_group)
    assert key(IN_THREAD, strategy) == StateKey("default", *in_thread)
    assert key(PRIVATE, strategy) == StateKey("default", *private)


def test_a_press_belongs_to_who_pressed_and_to_the_root_of_the_thread():
    assert key(press_event("x", sender=BOB, chat=GROUP)) == StateKey("default", "7@chat.agent", "bob@corp")
    assert key(press_event("x", sender=BOB, chat=THREAD, parent_topic=TOPIC)).chat_id == "7@chat.agent"
    in_thread = press_event("x", sender=BOB, chat=THREAD, parent_topic=TOPIC)
    assert key(in_thread, Strategy.USER_IN_THREAD) == StateKey("default", "9@chat.agent", "bob@corp")


def test_a_private_chat_is_one_conversation_whoever_is_named():
    gone = event_of("deletedMessage", {"chat": {"chatId": "ann@corp", "type": "private"}, "msgId": "1"})
    assert key(gone) == key(PRIVATE) == key(press_event("x", sender=ANN))


def test_an_event_without_a_person_stays_within_its_chat():
    gone = event_of("deletedMessage", {"chat": GROUP, "msgId": "1"})
    assert key(gone) == StateKey("default", "7@chat.agent", "")
    assert key(gone, Strategy.GLOBAL_USER) == StateKey("default", "7@chat.agent", "")


def test_members_events_belong_to_who_acted():
    joined = event_of("newChatMembers", {"chat": GROUP, "newMembers": [BOB], "addedBy": ANN})
    left = event_of("leftChatMembers", {"chat": GROUP, "leftMembers": [BOB], "removedBy": ANN})
    assert key(joined).user_id == key(left).user_id == "ann@corp"
    alone = event_of("leftChatMembers", {"chat": GROUP, "leftMembers": [BOB]})
    assert key(alone).user_id == ""


def test_the_alias_is_part_of_the_key():
    assert key_for(PRIVATE.payload, "other", Strategy.CHAT).bot == "other"
