"""Tests as functions: the fixture `chat` comes with vkteams_bot."""

import pytest

from vkteams_bot.testing import HandlerFailed


def test_start(chat):
    alice = chat.user("alice@corp", "Alice", "<Smith>")
    alice.sends("/start")
    hello, explanation = alice.replies
    assert hello == "Hello, Alice <Smith>!"
    assert hello.styles == {"bold": [{"offset": 7, "length": 13}]}
    assert "/order - a form in three steps" in explanation


async def test_buttons(chat):
    alice = chat.user("alice@corp")
    await alice.sends("/buttons")
    assert alice.sees.keyboard == [["Tea", "Coffee"], ["Nothing", "VK Teams"]]
    await alice.clicks("Nothing")
    assert alice.notified == "As you wish."
    assert alice.notified.alert
    await alice.clicks("Tea")
    assert alice.notified == "One tea, coming up!"
    assert alice.sees == "You chose tea."
    assert alice.buttons == []


def test_echo(chat):
    alice = chat.user("alice@corp")
    alice.sends("1 < 2 & 3")
    assert alice.sees == "1 < 2 & 3"


def test_an_answer_that_got_lost_is_not_sent_again(chat):
    alice = chat.user("alice@corp")
    chat.faults("disconnect_after@messages/sendText#1")
    alice.sends("once")
    assert alice.replies == ["once"]
    assert chat.calls.get().status == "unknown"


def test_a_handler_that_raises(chat):
    alice = chat.user("alice@corp")
    with pytest.raises(HandlerFailed, match="fails on purpose"):
        alice.sends("/fail")
