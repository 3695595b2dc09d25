"""Each page over 120 000 rows of each big table reads a bounded number of them, on both databases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker

from tests.admin import bulk
from tests.admin.conftest import APP
from vkteams_bot.admin import ChatAdmin, ChatMessageAdmin, ContactAdmin, ConversationAdmin
from vkteams_bot.models import BotAccount, Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update
from vkteams_bot.stores import inbox, outbox

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

ROWS = 120_000
# A capped count reads 10 001 that match: of one direction, every second row.
MOST_ROWS_READ = 25_000
# SQLite counts the steps of its machine: some twenty for a row of a list.
MOST_STEPS = 400_000
BIG = ("vkteams_bot_update", "vkteams_bot_outgoingcall", "vkteams_bot_chatmessage", "vkteams_bot_conversation")


@pytest.fixture(scope="module", autouse=True)
def _rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        bulk.fill(ROWS)
    yield
    with django_db_blocker.unblock():
        bulk.empty()


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches by text may read a part of the rows, as they may of a million."""
    for model_admin in (ChatAdmin, ChatMessageAdmin, ContactAdmin, ConversationAdmin):
        assert model_admin.search is not None
        monkeypatch.setattr(model_admin, "search", replace(model_admin.search, rows_read=5_000))


LISTS = [
    "update/",
    *(f"update/?status={status}" for status in Update.Status),
    "update/?account={second}",
    "update/?account={first}",
    *(f"update/?status={status}&account={{first}}" for status in Update.Status),
    "update/?status=failed&account={second}",
    "update/?status=done&account={first}",
    "update/?p=100",
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
    "outgoingcall/?p=100",
    "outgoingcall/?update__id__exact={middle}",
    "outgoingcall/?q=quiet@chat.agent",
    "outgoingcall/?q=nobody",
    "outgoingcall/?q={call}",
    "chatmessage/",
    "chatmessage/?which=in",
    "chatmessage/?which=out",
    "chatmessage/?which=deleted",
    "chatmessage/?p=100",
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
    with _watched() as seen:
        response = admin_client.get(f"{APP}/{path.format(**names)}")
    assert response.status_code == 200, response.get("Location")
    assert 3 <= len(seen) <= 25
    for problem in seen:
        assert not problem, problem


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("update/?status=failed", 42),
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
    expected = r"about 1[12]\d,?\d{3}" if connection.vendor == "postgresql" else r"more than 10,?000"
    assert re.search(expected, page)
    assert "more than 10" in admin_client.get(f"{APP}/update/?status=done").content.decode()


def test_older_goes_on_where_the_pages_end(admin_client: Client) -> None:
    newest = list(Update.objects.order_by("-pk").values_list("pk", flat=True)[:10_100])
    first = admin_client.get(f"{APP}/update/")
    assert first.context["cl"].older_url is None
    last = admin_client.get(f"{APP}/update/?p=100")
    assert last.context["cl"].older_url == f"?id__lt={newest[9_999]}"
    older = admin_client.get(f"{APP}/update/{last.context['cl'].older_url}")
    assert [row.pk for row in older.context["cl"].result_list] == newest[10_000:10_100]
    assert "← Newest" in older.content.decode()
    assert admin_client.get(f"{APP}/update/?p=101").status_code == 302


def test_a_text_search_goes_on_to_older_messages(admin_client: Client) -> None:
    """The needle is in the oldest messages, 24 windows away."""
    path, steps, found = f"{APP}/chatmessage/?q=ИГОЛКА", 0, []
    while True:
        response = admin_client.get(path)
        change_list = response.context["cl"]
        found += [row.text for row in change_list.result_list]
        if change_list.older_url is None:
            break
        assert "Only the newest rows were searched" in response.content.decode()
        path, steps = f"{APP}/chatmessage/{change_list.older_url}", steps + 1
    assert steps == 23
    assert found == ["сообщение номер 7 about an order иголка"]


def test_a_common_word_stops_at_the_newest_thousand(admin_client: Client) -> None:
    change_list = admin_client.get(f"{APP}/chatmessage/?q=order").context["cl"]
    newest = list(ChatMessage.objects.order_by("-pk").values_list("pk", flat=True)[:1_000])
    assert change_list.found.keys == newest
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
    some = Update.objects.failed().values_list("pk", flat=True)[0]
    data = {"action": "retry", "_selected_action": str(some), "select_across": "1", "index": "0"}
    with _watched() as seen:
        response = admin_client.post(f"{APP}/update/?status=failed", data)
    assert response.status_code == 302
    assert not Update.objects.failed().exists()
    for problem in seen:
        assert not problem, problem


def test_the_running_bot_reads_few_rows_too(names: dict[str, Any]) -> None:
    """The indexes of the admin must not lure its queries away from theirs."""
    first = names["first"]
    with _watched() as seen:
        assert inbox.take_retried(first, 100)
        assert inbox.pending(first, 0, 200)
        assert outbox.waiting(first, set(), 100)
        inbox.recover(first, crashed=True)
        outbox.recover(first, resend=False)
    assert len(seen) >= 3
    for problem in seen:
        assert not problem, problem


@contextmanager
def _watched() -> Iterator[list[str]]:
    """For each query what is wrong with its plan; "" when nothing is."""
    seen: list[str] = []
    watch = _watch_postgres if connection.vendor == "postgresql" else _watch_sqlite

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "UPDATE")) and "pg_class" not in sql:
            problem = watch(sql, params)
            seen.append(f"{problem}\n{sql}\n{params}" if problem else "")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield seen


def _watch_postgres(sql: str, params: Any) -> str:
    with connection.connection.cursor() as cursor:
        cursor.execute("SAVEPOINT watched")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
        answer = cursor.fetchone()[0]
        cursor.execute("ROLLBACK TO SAVEPOINT watched")
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    nodes = [plan]
    read = 0
    for node in nodes:
        nodes += node.get("Plans", [])
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG:
            return "a sequential scan"
        if "Scan" in node["Node Type"]:
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            read += rows * node["Actual Loops"]
    return f"{read} rows read" if read > MOST_ROWS_READ else ""


def _watch_sqlite(sql: str, params: Any) -> str:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1_000
        return 0

    raw = connection.connection
    raw.execute("SAVEPOINT watched")
    raw.set_progress_handler(count, 1_000)
    try:
        raw.execute(sql.replace("%s", "?").replace("%%", "%"), params or ()).fetchall()
    finally:
        raw.set_progress_handler(None, 0)
        raw.execute("ROLLBACK TO SAVEPOINT watched")
    return f"{steps} steps" if steps > MOST_STEPS else ""
