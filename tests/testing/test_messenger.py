"""What people do and see, in plain tests."""

from pathlib import Path

import pytest
from django.contrib.auth.models import Group as Team
from django.db import connection

from tests.testing.bot import Form, router
from vkteams_bot.models import ChatMessage
from vkteams_bot.registry import bots
from vkteams_bot.stores import inbox
from vkteams_bot.testing import CallRefused, Chat, HandlerFailed, Message, Refusal

pytestmark = [pytest.mark.orm, pytest.mark.vkteams(routers=[router])]


@pytest.fixture
def alice(chat):
    return chat.user("alice@corp")


def test_an_awaited_and_a_returned_reply(alice):
    alice.sends("/start")
    assert alice.sees == "Hello!"
    alice.sends("same to you")
    assert alice.sees == "same to you"
    assert alice.screen == ["/start", "Hello!", "same to you", "same to you"]


def test_what_was_said_before_the_last_act_is_not_new(alice):
    alice.sends("/start")
    alice.sends("/nothing")
    assert alice.sees == ""
    assert alice.replies == []
    assert "Hello!" in alice.screen


def test_a_dialog_with_state_data_and_rows(alice):
    alice.sends("/name")
    assert (alice.sees, alice.state, alice.data) == ("Your name?", Form.name, {})
    assert alice.sees.styles == {"bold": [{"offset": 5, "length": 4}]}
    alice.sends("Alice")
    assert alice.sees == "Welcome, Alice. You are number 1."
    assert (alice.state, alice.data) == (None, {"name": "Alice"})
    assert Team.objects.get().name == "Alice"


def test_a_button_changes_the_message_and_shows_a_window(alice):
    alice.sends("/name")
    assert alice.buttons == ["Cancel", "Site"]
    alice.clicks("Cancel")
    assert alice.sees == "Never mind."
    assert alice.sees.edited
    assert (alice.notified, alice.notified.alert) == ("Cancelled.", True)
    assert alice.screen == ["/name", "Never mind."]
    assert alice.buttons == []


def test_a_button_that_is_not_there_names_those_that_are(alice):
    alice.sends("/name")
    with pytest.raises(Refusal, match=r"alice@corp sees no button \[Yes\], but \[Cancel\] \[Site\]"):
        alice.clicks("Yes")
    with pytest.raises(Refusal, match=r"opens https://example\.com"):
        alice.clicks("Site")


def test_a_button_of_an_older_message(alice):
    alice.sends("/name")
    question = alice.sees
    alice.sends("Alice")
    alice.sends("/name")
    alice.clicks("Cancel", message=question)
    assert next(message for message in alice.screen if message == "Never mind.").id == question.id


def test_a_plain_handler_sends_and_uses_the_orm(alice):
    Team.objects.create(name="made by the test, in its transaction")
    alice.sends("/count")
    assert alice.replies == ["Counting...", "1 teams"]


def test_callbacks_of_a_commit_run(alice):
    alice.sends("/commit")
    assert sorted(alice.replies) == ["Committed.", "Returned."]


def test_edits_and_deletions_of_people(alice):
    alice.sends("helo")
    alice.edits("hello")
    assert alice.sees == "You mean hello"
    assert alice.screen[0] == "hello"
    alice.deletes()
    assert alice.replies == ["I saw that."]
    assert "hello" not in alice.screen
    with pytest.raises(Refusal, match="has written nothing here"):
        alice.edits("again")


def test_what_the_bot_deleted_is_gone(alice):
    alice.sends("/wait")
    assert alice.replies == ["Ready."]
    assert alice.screen == ["/wait", "Ready."]


def test_files_both_ways(alice, tmp_path: Path):
    alice.sends("/report")
    assert alice.sees == "Here"
    assert alice.sees_typing
    (file,) = alice.files
    assert (file.name, file.content) == ("report.csv", b"a,b")
    alice.sends("my cat", file=("cat.png", b"12345"))
    assert alice.sees == "cat.png: 5 bytes, my cat"
    path = tmp_path / "notes.txt"
    path.write_bytes(b"123")
    alice.sends(file=path)
    assert alice.sees == "notes.txt: 3 bytes, None"
    assert not alice.sees_typing


def test_replies_forwards_and_stickers(alice):
    alice.sends("/start")
    hello = alice.sees
    alice.sends("why?", reply_to=hello)
    assert alice.sees == "about: Hello!"
    assert alice.sees.replies_to == "why?"
    alice.sends(forward=hello)
    assert alice.sees == "forwarded: Hello!"
    alice.sends(sticker="2IWuJzaNWCJZxJWCvZhDYuJ5XDsr7hU")
    assert alice.sees == "sticker 2IWuJzaNWCJZxJWCvZhDYuJ5XDsr7hU"


def test_a_failing_handler_fails_the_test(alice, chat):
    with pytest.raises(HandlerFailed, match=r"tests\.testing\.bot:fail raised ValueError: on purpose") as caught:
        alice.sends("/fail")
    assert isinstance(caught.value.__cause__, ValueError)
    assert any("alice@corp: /fail" in note for note in caught.value.__notes__)
    assert alice.state is None
    assert chat.updates.get().status == "failed"


@pytest.mark.parametrize(
    ("text", "problem"),
    [("/exit", "SystemExit: on purpose"), ("/cancelled", "something that the handler awaited was cancelled")],
)
def test_a_handler_that_would_end_its_task_or_process_fails_the_test(alice, text, problem):
    with pytest.raises(HandlerFailed, match=problem):
        alice.sends(text)
    assert alice.state is None
    alice.sends("/start")
    assert alice.sees == "Hello!"


def test_expected_errors_are_collected(alice, chat):
    with chat.errors_expected() as errors:
        alice.sends("/fail")
        alice.sends("/fail")
    assert [type(error) for error in errors] == [HandlerFailed, HandlerFailed]
    with pytest.raises(AssertionError, match="no handler failed"), chat.errors_expected():
        alice.sends("/start")


def test_a_refused_reply_fails_the_test(alice, chat):
    with pytest.raises(CallRefused, match="Invalid chatId"):
        alice.sends("/wrong")
    assert [call.status for call in chat.calls] == ["failed"]


def test_people_have_names_and_conversations_of_their_own(chat):
    alice, bob = chat.user("alice@corp"), chat.user("bob@corp", "Robert", "Brown")
    alice.sends("/name")
    bob.sends("Bob")
    assert bob.sees == "Bob"
    assert (alice.state, bob.state) == (Form.name, None)
    row = ChatMessage.objects.get(text="Bob", direction="in")
    assert row.contact is not None
    assert row.contact.full_name == "Robert Brown"


def test_code_outside_of_handlers_sends_by_the_same_bot(alice):
    """As a view would."""
    bots["default"].send_text("alice@corp", "From a view").send()
    assert alice.sees == "From a view"
    assert ChatMessage.objects.get(text="From a view").direction == "out"


def test_a_retried_update_runs(alice, chat):
    alice.sends("/start")
    chat.updates.update(status="failed")
    assert inbox.retry(chat.updates) == 1
    chat.settle()
    assert alice.screen == ["/start", "Hello!", "Hello!"]
    assert chat.updates.get().status == "done"


def test_the_transcript_is_what_the_person_saw(alice):
    alice.sends("/name")
    alice.clicks("Cancel")
    assert alice.transcript() == [
        "  alice@corp: /name",
        "  bot: Your name?",
        "        [Cancel]",
        "        [Site]",
        "  alice@corp presses [Cancel]",
        "  (a window: Cancelled.)",
        "  bot edits: Never mind.",
    ]


def test_messages_are_texts_with_more(alice):
    alice.sends("/start")
    assert isinstance(alice.sees, Message)
    assert alice.sees.author != "alice@corp"
    assert alice.wrote == "/start"
    assert alice.wrote.author == "alice@corp"


@pytest.mark.django_db
def test_a_closed_chat_says_so_and_may_be_closed_again():
    chat = Chat()
    alice = chat.user("alice@corp")
    chat.close()
    chat.close()
    with pytest.raises(RuntimeError, match="this chat is closed"):
        alice.sends("/start")


@pytest.mark.django_db
def test_afterwards_the_bot_is_as_configured():
    before = bots["default"].api_url
    with Chat(routers=[router]) as chat:
        assert bots["default"] is chat.bot
        assert bots["default"].api_url != before
    assert bots["default"].api_url == before


@pytest.mark.django_db(transaction=True)
def test_without_a_transaction_around_it(chat):
    alice = chat.user("alice@corp")
    alice.sends("/commit")
    assert sorted(alice.replies) == ["Committed.", "Returned."]
    assert Team.objects.filter(name="committed").exists()


def test_two_tests_share_nothing(alice, chat):
    assert chat.updates.count() == 0
    assert alice.screen == []


def test_the_test_may_be_idle_in_its_transaction_for_as_long_as_before(alice):
    """The store lets PostgreSQL end transactions that fall silent; this one is the test's."""
    if connection.vendor != "postgresql":
        pytest.skip("other databases have no such limit")
    alice.sends("/start")
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("0",)
