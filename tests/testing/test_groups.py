"""Groups, channels, threads, members and pins."""

import pytest

from tests.testing.bot import Form, router
from vkteams_bot.testing import Refusal

pytestmark = [pytest.mark.orm, pytest.mark.vkteams(routers=[router])]


@pytest.fixture
def people(chat):
    return chat.user("alice@corp"), chat.user("bob@corp")


def test_all_members_see_what_is_said(chat, people):
    alice, bob = people
    team = chat.group("Team", members=[alice, bob])
    alice.sends("/start", to=team)
    assert (alice.sees, bob.sees) == ("Hello!", "Hello!")
    assert alice.screen == []
    assert bob.at(team).screen == ["/start", "Hello!"]
    assert team.title == "Team"
    assert team.members[:2] == ["alice@corp", "bob@corp"]


def test_a_person_with_a_group_open_acts_there(chat, people):
    alice, bob = people
    team = chat.group("Team", members=[alice, bob])
    here = alice.at(team)
    here.sends("/name")
    assert (here.state, alice.state, bob.at(team).state) == (Form.name, None, None)
    here.clicks("Cancel")
    assert here.sees == "Never mind."
    alice.sends("/start")
    assert (alice.sees, here.replies) == ("Hello!", [])


def test_buttons_are_found_in_whatever_chat_they_are(chat, people):
    alice, _ = people
    team = chat.group("Team", members=[alice])
    alice.sends("/name", to=team)
    alice.clicks("Cancel")
    assert alice.at(team).screen == ["/name", "Never mind."]


def test_joining_leaving_adding_removing(chat, people):
    alice, bob = people
    team = chat.group("Team", admins=[alice])
    bob.joins(team)
    assert alice.sees == "Welcome, Bob"
    bob.leaves(team)
    assert "bob@corp" not in team.members
    alice.adds(bob, to=team)
    assert alice.sees == "Welcome, Bob"
    alice.removes(bob, group=team)
    assert "bob@corp" not in team.members
    with pytest.raises(Refusal, match="bob@corp is not an admin"):
        bob.removes(alice, group=team)
    with pytest.raises(Refusal, match="user_already_added"):
        alice.joins(team)
    assert team.admins == {"alice@corp"}


def test_pins(chat, people):
    alice, _ = people
    team = chat.group("Team", admins=[alice])
    alice.sends("remember this", to=team)
    alice.pins(alice.at(team).wrote)
    assert alice.sees == "pinned: remember this"
    alice.unpins(alice.at(team).screen[0])
    assert chat.updates.last().type == "unpinnedMessage"


def test_threads(chat, people):
    alice, _ = people
    team = chat.group("Team", members=[alice])
    alice.sends("topic", to=team)
    chat.bot.threads_autosubscribe(team.chat_id, True).send()
    thread = alice.thread(alice.at(team).wrote)
    alice.sends("/start", to=thread)
    assert alice.at(thread).screen == ["/start", "Hello!"]
    assert alice.at(team).screen == ["topic", "topic"]


def test_a_channel(chat, people):
    alice, _ = people
    news = chat.channel("News", members=[alice])
    chat.bot.send_text(news.chat_id, "Read this").send()
    assert alice.at(news).sees == "Read this"


def test_a_group_without_the_bot(chat, people):
    alice, _ = people
    alone = chat.group("Without", members=[alice], bot="absent")
    alice.sends("/start", to=alone)
    assert alice.sees == ""
    assert chat.updates.count() == 0


def test_the_transcript_names_the_chats(chat, people):
    alice, _ = people
    team = chat.group("Team", members=[alice])
    alice.sends("/start", to=team)
    alice.sends("hi")
    assert alice.transcript() == [
        "  [Team] alice@corp: /start",
        "  [Team] bot: Hello!",
        "  alice@corp: hi",
        "  bot: hi",
    ]
