"""Trying a broadcast before it starts."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from tests.broadcasts.conftest import Mailing
from vkteams_bot import Bot, broadcasts
from vkteams_bot.broadcasts import Sample, dry_runs
from vkteams_bot.exceptions import BroadcastError, NotFound
from vkteams_bot.models import BotAccount, OutgoingCall

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def test_a_dry_run_counts_and_renders_and_writes_nothing(mailing):
    mailing.chats(*"abcd")
    mailing.chats("gone", unreachable_at="2026-01-01T00:00Z")
    for user_id, name in [("a", "Anna"), ("c", "*")]:
        mailing.contact(user_id, first_name=name)
    source = "{% if contact %}{{ contact.first_name|safe }}{% endif %}"
    broadcast = mailing.broadcast(text=source, parse_mode="MarkdownV2", is_template=True)
    found = broadcasts.dry_run(broadcast, samples=3)
    assert (found.problems, found.recipients, found.unreachable) == ([], 4, 1)
    assert found.samples == [
        Sample("a", "Anna"),
        Sample("b", problem="the text is empty"),
        Sample("c", "*", problem="*"),
    ]
    broadcast.refresh_from_db()
    assert broadcast.status == "draft"
    assert not OutgoingCall.objects.exists()


def test_a_dry_run_of_what_is_wrong(mailing):
    mailing.chats("a")
    found = broadcasts.dry_run(mailing.broadcast(text="{% if %}", is_template=True))
    assert [problem.field for problem in found.problems] == ["text"]
    assert (found.recipients, found.samples) == (1, [])
    found = broadcasts.dry_run(mailing.broadcast(audience="list", recipients="a\nb b"))
    assert [problem.field for problem in found.problems] == ["recipients"]
    assert found.recipients == 0


@pytest.fixture
def asked(monkeypatch) -> list[dict[str, list[str]]]:
    """What a server was asked; it knows everybody but `nobody`."""
    requests: list[dict[str, list[str]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        params = parse_qs(request.read().decode())
        requests.append(params)
        known = params["chatId"] != ["nobody"]
        return httpx.Response(
            200, json={"ok": True, "msgId": "7"} if known else {"ok": False, "description": "Invalid chatId"}
        )

    bot = Bot("001.1.2:1000000001", "http://server/bot/v1", sync_transport=httpx.MockTransport(answer))
    monkeypatch.setattr(dry_runs, "bots", {"default": bot})
    return requests


def test_a_test_goes_to_one_chat_and_counts_nowhere(mailing: Mailing, asked):
    mailing.contact("me", first_name="Ann & Bob")
    keyboard: Any = [[{"text": "Yes", "callbackData": "y"}]]
    text = "Hi {{ contact.first_name }} {{ sum }}"
    broadcast = mailing.broadcast(text=text, parse_mode="HTML", is_template=True, keyboard=keyboard)
    assert broadcasts.send_test(broadcast, "me", user=mailing.operator).msg_id == "7"
    assert (asked[0]["text"], asked[0]["parseMode"]) == (["Hi Ann &amp; Bob "], ["HTML"])
    assert json.loads(asked[0]["inlineKeyboardMarkup"][0]) == keyboard
    assert list(broadcast.actions.values_list("action", "user", "note")) == [("test", mailing.operator.pk, "me")]
    broadcast.refresh_from_db()
    assert broadcast.status == "draft"
    assert not OutgoingCall.objects.exists()


def test_a_test_that_is_not_sent_leaves_no_trace(mailing, asked):
    with pytest.raises(BroadcastError, match="the text is empty"):
        broadcasts.send_test(mailing.broadcast(text=""), "me")
    assert asked == []
    broadcast = mailing.broadcast()
    with pytest.raises(NotFound):
        broadcasts.send_test(broadcast, "nobody")
    assert not broadcast.actions.exists()


def test_a_test_is_not_sent_in_the_name_of_another_bot(mailing: Mailing, asked):
    BotAccount.objects.filter(pk=mailing.account.pk).update(user_id="7")
    with pytest.raises(BroadcastError, match="another token"):
        broadcasts.send_test(mailing.broadcast(), "a@example.com")
    assert asked == []
