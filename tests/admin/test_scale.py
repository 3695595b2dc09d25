"""Each page over 24 000 rows of each big table reads a bounded number of them, on both databases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker

from tests.admin import bulk
from tests.admin.conftest import APP
from tests.rows_read import watched_statements
from vkteams_bot.admin import ChatAdmin, ChatMessageAdmin, ContactAdmin, ConversationAdmin
from vkteams_bot.admin.base import RowAdmin
from vkteams_bot.models import BotAccount, Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update
from vkteams_bot.stores import inbox, outbox

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

ROWS = 24_000
MOST_COUNTED = 1_000
# A capped count reads 1 001 that match: of one direction, every second row.
MOST_ROWS_READ = 5_000
MOST_STEPS = 80_000


@pytest.fixture(scope="module", autouse=True)
def _rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        bulk.fill(ROWS)
    yield
    with django_db_blocker.unblock():
        bulk.empty()


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and searches may read a part of the rows, as they may of a million."""
    monkeypatch.setattr(RowAdmin, "most_counted", MOST_COUNTED)
    for model_admin in (ChatAdmin, ChatMessageAdmin, ContactAdmin, ConversationAdmin):
        assert model_admin.search is not None
        monkeypatch.setattr(model_admin, "search", replace(model_admin.search, rows_read=1_000, longest=500))


LISTS = [
    "update/",
    *(f"update/?status={status}" for status in Update.Status),
    "update/?account={second}",
    "update/?account={first}",
    *(f"update/?status={status}&account={{first}}" for status in Update.Status),
    "update/?status=failed&account={second}",
    "update/?status=done&account={first}",
    "update/?p=10",
    "update/?id__lt={middle}",
    "update/?q=quiet@chat.agent",
    "update/?q=quiet@corp.example",
    "update/?q=user7@corp.example",
    "update/?q=nobody",
    "update/?q=5",
    "update/?o=4.-5",
    "outgoingcall/",
    *(f"outgoingcall/?status={status}" for status in OutgoingCall.Status),
    "outgoingcall/?account={second}",
    *(f"outgoingcall/?status={status}&account={{first}}" for status in OutgoingCall.Status),
    "outgoingcall/?p=10",
    "outgoingcall/?update__id__exact={middle}",
    "outgoingcall/?q=quiet@chat.agent",
    "outgoingcall/?q=nobody",
    "outgoingcall/?q={call}",
    "chatmessage/",
    "chatmessage/?which=in",
    "chatmessage/?which=out",
    "chatmessage/?which=deleted",
    "chatmessage/?p=10",
    "chatmessage/?chat__id__exact={quiet_chat}",
    "chatmessage/?contact__id__exact={quiet_contact}",
    "chatmessage/?q=quiet@chat.agent",
    "chatmessage/?q=quiet@corp.example",
    "chatmessage/?q=иголка",
    "chatmessage/?q=ORDER",
    "chatmessage/?q=иголка&chat__id__exact={quiet_chat}",
    "conversation/",
    "conversation/?dialog=on",
    "conversation/?dialog=expired",
    "conversation/?account={first}",
    "conversation/?q=c77",
    "conversation/?q=quiet@corp.example",
    "conversation/?q=Form:rare",
    "chat/",
    "chat/?q=quiet@chat.agent",
    "chat/?q=Quiet",
    "contact/",
    "contact/?q=Person 7",
    "botaccount/",
]
PAGES = [
    "update/{middle}/change/",
    "outgoingcall/{call}/change/",
    "chatmessage/{message}/change/",
    "conversation/{conversation}/change/",
    "chat/{quiet_chat}/change/",
    "chat/{quiet_chat}/log/",
    "chat/{loud_chat}/log/",
    "chat/{loud_chat}/log/?before={message}",
    "chat/{loud_chat}/log/?after={message}",
    "contact/{quiet_contact}/change/",
    "botaccount/{first}/change/",
]


@pytest.fixture
def names() -> dict[str, Any]:
    return {
        "first": BotAccount.objects.get(alias="first").pk,
        "second": BotAccount.objects.get(alias="second").pk,
        "middle": Update.objects.order_by("pk")[ROWS // 2].pk,
        "call": OutgoingCall.objects.order_by("pk")[ROWS // 2].pk,
        "message": ChatMessage.objects.order_by("pk")[ROWS // 2].pk,
        "conversation": Conversation.objects.order_by("pk")[10].pk,
        "quiet_chat": Chat.objects.get(chat_id="quiet@chat.agent").pk,
        "loud_chat": Chat.objects.get(chat_id="user7@corp.example").pk,
        "quiet_contact": Contact.objects.get(user_id="quiet@corp.example").pk,
    }


@pytest.mark.parametrize("path", [*LISTS, *PAGES])
def test_a_page_reads_few_rows(admin_client: Client, names: dict[str, Any], path: str) -> None:
    with watched_statements(MOST_ROWS_READ, MOST_STEPS) as seen:
        response = admin_client.get(f"{APP}/{path.format(**names)}")
    assert response.status_code == 200, response.get("Location")
    assert 3 <= len(seen) <= 25
    for problem in seen:
        assert not problem, problem


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("update/?status=failed", 37),
        ("update/?account={second}", 150),
        ("update/?q=quiet@chat.agent", 300),
        ("update/?q=quiet@corp.example", 300),
        ("update/?q=5", 1),
        ("update/?q=nobody", 0),
        ("outgoingcall/?q=quiet@chat.agent", 300),
        ("outgoingcall/?q={call}", 1),
        ("chatmessage/?which=deleted", 30),
        ("chatmessage/?q=quiet@corp.example", 300),
        ("conversation/?dialog=on", 300),
        ("conversation/?q=quiet@corp.example", 300),
    ],
)
def test_the_rare_and_old_is_found(admin_client: Client, names: dict[str, Any], path: str, count: int) -> None:
    response = admin_client.get(f"{APP}/{path.format(**names)}")
    assert response.context["cl"].result_count == count
    assert f"found: {count}" in response.content.decode()


def test_an_unfiltered_list_is_not_counted_to_its_end(admin_client: Client) -> None:
    page = admin_client.get(f"{APP}/update/").content.decode()
    expected = r"about 24,?000" if connection.vendor == "postgresql" else r"more than 1,?000"
    assert re.search(expected, page)
    assert "more than 1" in admin_client.get(f"{APP}/update/?status=done").content.decode()


def test_older_goes_on_where_the_pages_end(admin_client: Client) -> None:
    newest = list(Update.objects.order_by("-pk").values_list("pk", flat=True)[:1_100])
    first = admin_client.get(f"{APP}/update/")
    assert first.context["cl"].older_url is None
    last = admin_client.get(f"{APP}/update/?p=10")
    assert last.context["cl"].older_url == f"?id__lt={newest[999]}"
    older = admin_client.get(f"{APP}/update/{last.context['cl'].older_url}")
    assert [row.pk for row in older.context["cl"].result_list] == newest[1_000:1_100]
    assert "← Newest" in older.content.decode()
    assert admin_client.get(f"{APP}/update/?p=11").status_code == 302


def test_a_text_search_goes_on_to_older_messages(admin_client: Client) -> None:
    """The needle is in the oldest messages, 24 windows away."""
    path, steps, texts = f"{APP}/chatmessage/?q=ИГОЛКА", 0, []
    while True:
        response = admin_client.get(path)
        change_list = response.context["cl"]
        texts += [row.text for row in change_list.result_list]
        if change_list.older_url is None:
            break
        assert "Only the newest rows were searched" in response.content.decode()
        path, steps = f"{APP}/chatmessage/{change_list.older_url}", steps + 1
    assert steps == 23
    assert texts == ["сообщение номер 7 about an order иголка"]


def test_a_common_word_stops_at_the_newest_rows(admin_client: Client) -> None:
    change_list = admin_client.get(f"{APP}/chatmessage/?q=order").context["cl"]
    newest = list(ChatMessage.objects.order_by("-pk").values_list("pk", flat=True)[:500])
    assert change_list.search_result.keys == newest
    assert change_list.older_url == f"?id__lt={newest[-1]}&q=order"


def test_no_address_can_ask_for_a_scan(admin_client: Client, admin_user: User) -> None:
    for query in (
        "error__contains=x",
        "payload__a=1",
        "text=x",
        "user_id=x",
        "account__alias=x",
        "created_at__lt=2000",
    ):
        for name in ("update", "outgoingcall", "chatmessage"):
            assert admin_client.get(f"{APP}/{name}/?{query}").status_code == 400, query


def test_an_action_on_all_pages_reaches_the_old_rows(admin_client: Client) -> None:
    failed = Update.objects.failed().values_list("pk", flat=True)[0]
    data = {"action": "retry", "_selected_action": str(failed), "select_across": "1", "index": "0"}
    with watched_statements(MOST_ROWS_READ, MOST_STEPS) as seen:
        response = admin_client.post(f"{APP}/update/?status=failed", data)
    assert response.status_code == 302
    assert not Update.objects.failed().exists()
    for problem in seen:
        assert not problem, problem


def test_the_running_bot_reads_few_rows_too(names: dict[str, Any]) -> None:
    """The indexes of the admin must not lure its queries away from theirs."""
    first = names["first"]
    with watched_statements(MOST_ROWS_READ, MOST_STEPS) as seen:
        assert inbox.take_retried(first, 100)
        assert inbox.pending(first, 0, 200)
        assert OutgoingCall.objects.replies(first).waiting().order_by("pk")[:100].exists()
        inbox.recover(first, crashed="test:1:a")
        inbox.acquit(first, "test:1:a")
        outbox.recover(resend=False, attempts=5, account_id=first)
    assert len(seen) >= 3
    for problem in seen:
        assert not problem, problem
