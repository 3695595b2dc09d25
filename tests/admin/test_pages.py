"""Every page opens with rows, shows what an operator looks for, and escapes what people wrote."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.admin.conftest import APP, HOSTILE, World
from vkteams_bot.admin import BotAccountAdmin, ContactAdmin
from vkteams_bot.models import BotAccount, Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

MODELS = (BotAccount, Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update)


def text(client: Client, path: str, status: int = 200) -> str:
    response = client.get(APP + path)
    assert response.status_code == status, path
    return response.content.decode()


@pytest.fixture
def rows(world: World) -> dict[str, Any]:
    """One row of each model, of several statuses, with hostile texts wherever people's texts go."""
    failed = world.update(
        status=Update.Status.FAILED,
        error=f"Traceback (most recent call last):\n  File x\n{HOSTILE}\nValueError: {HOSTILE}",
        handler="shop.bot.start",
        payload={"payload": {"text": HOSTILE, HOSTILE: [HOSTILE]}},
        type=HOSTILE[:64],
        chat_id=HOSTILE,
        user_id=HOSTILE,
    )
    for status in Update.Status:
        world.update(status=status)
    for call_status in OutgoingCall.Status:
        world.call(status=call_status)
    call = world.call(
        status="unknown", error=HOSTILE, params={"text": HOSTILE}, update=failed, chat_id=HOSTILE, method=HOSTILE[:64]
    )
    hostile_contact = Contact.objects.create(user_id=HOSTILE, first_name=HOSTILE, created_at=timezone.now())
    hostile_chat = Chat.objects.create(
        account=world.account, chat_id=HOSTILE, type="group", title=HOSTILE, created_at=timezone.now()
    )
    parts = [
        {"type": "file", "payload": {"type": "image"}},
        {"type": HOSTILE, "payload": None},
        {"type": "reply", "payload": {"message": {"text": HOSTILE}}},
        {"type": "inlineKeyboardMarkup", "payload": [[{"text": HOSTILE}]]},
    ]
    message = world.message(text=HOSTILE, chat=hostile_chat, contact=hostile_contact, parts=parts)
    conversation = world.conversation(state=HOSTILE, data={"a": HOSTILE}, chat_id=HOSTILE, user_id=HOSTILE)
    world.account.last_error = HOSTILE
    world.account.last_error_at = timezone.now()
    world.account.save()
    return {
        "update": failed,
        "outgoingcall": call,
        "contact": hostile_contact,
        "chat": hostile_chat,
        "chatmessage": message,
        "conversation": conversation,
        "botaccount": world.account,
    }


def test_every_page_opens_and_escapes(admin_client: Client, rows: dict[str, Any]) -> None:
    paths = ["/"]
    for model in MODELS:
        name = str(model._meta.model_name)
        paths += [f"/{name}/", f"/{name}/{rows[name].pk}/change/", f"/{name}/{rows[name].pk}/history/"]
    paths += [f"/chat/{rows['chat'].pk}/log/", f"/outgoingcall/{rows['outgoingcall'].pk}/drop/"]
    paths += [f"/conversation/{rows['conversation'].pk}/reset/", "/chatmessage/?q=script", "/contact/?q=onerror"]
    hostile = 0
    for path in paths:
        page = text(admin_client, path)
        assert "alert('x')</script>" not in page, path
        assert "<img src=x" not in page, path
        hostile += "&lt;script&gt;alert(" in page
    assert len(paths) == 27
    assert hostile >= 20


def test_an_update_shows_its_traceback_payload_and_relations(admin_client: Client, world: World) -> None:
    update = world.update(status=Update.Status.FAILED, error="Traceback (most recent call last):\n…\nKeyError: 'item'")
    call = world.call(update=update, status=OutgoingCall.Status.UNKNOWN)
    conversation = world.conversation()
    page = text(admin_client, f"/update/{update.pk}/change/")
    assert "Traceback (most recent call last):" in page
    assert "&quot;text&quot;: &quot;text 1&quot;" in page
    assert f"{APP}/outgoingcall/{call.pk}/change/" in page
    assert f"{APP}/conversation/{conversation.pk}/change/" in page
    assert f"{APP}/chat/{world.chat.pk}/log/" in page
    assert f"{APP}/contact/{world.contact.pk}/change/" in page


def test_an_update_shows_its_crashes(admin_client: Client, world: World) -> None:
    update = world.update(status=Update.Status.ALONE, attempts=4, alone_runs=2, crashed_in="host:17:0a1b2c3d")
    page = text(admin_client, f"/update/{update.pk}/change/")
    assert "running alone" in page
    assert "host:17:0a1b2c3d" in page
    assert 'name="crashed_in"' not in page


def test_the_list_of_updates_shows_the_error_itself(admin_client: Client, world: World) -> None:
    long_error = "Traceback (most recent call last):\n" + "x\n" * 500 + "KeyError: 'i'"
    world.update(status=Update.Status.FAILED, error=long_error)
    page = text(admin_client, "/update/")
    assert "KeyError: &#x27;i&#x27;" in page
    assert "Traceback" not in page


@pytest.mark.parametrize("status", list(Update.Status))
def test_updates_are_filtered_by_status(admin_client: Client, world: World, status: Update.Status) -> None:
    rows = {each: world.update(status=each) for each in Update.Status}
    page = text(admin_client, f"/update/?status={status}")
    for each, row in rows.items():
        assert (f"/update/{row.pk}/change/" in page) == (each == status)


@pytest.mark.parametrize("status", list(OutgoingCall.Status))
def test_calls_are_filtered_by_status(admin_client: Client, world: World, status: OutgoingCall.Status) -> None:
    rows = {each: world.call(status=each) for each in OutgoingCall.Status}
    page = text(admin_client, f"/outgoingcall/?status={status}")
    for each, row in rows.items():
        assert (f"/outgoingcall/{row.pk}/change/" in page) == (each == status)


def _cells(client: Client, call: OutgoingCall) -> dict[str, str]:
    """What the page of a call shows, as text by field; "list:…" for the columns of the list."""
    page = text(client, f"/outgoingcall/{call.pk}/change/")
    fields = re.findall(r'class="form-row field-(\w+)".*?<div class="readonly">(.*?)</div>', page, re.DOTALL)
    columns = re.findall(r'<t[dh] class="field-(\w+)[^>]*>(.*?)</t[dh]>', text(client, "/outgoingcall/"), re.DOTALL)
    cells = dict(fields) | {f"list:{name}": value for name, value in columns}
    return {name: re.sub("<[^>]*>", "", value).strip() for name, value in cells.items()}


def test_a_call_that_was_put_back_shows_its_tries_and_took_nothing_yet(admin_client: Client, world: World) -> None:
    """It showed how long its failed try took."""
    now = timezone.now()
    due_at = now + timedelta(minutes=2, seconds=30)
    call = world.call(status="queued", attempts=3, due_at=due_at, created_at=now - timedelta(hours=1), finished_at=now)
    cells = _cells(admin_client, call)
    assert (cells["attempts"], cells["next_try"], cells["took"]) == ("3", "in 3 minutes", "–")
    assert (cells["list:attempts"], cells["list:next_try"]) == ("3", "in 3 minutes")
    OutgoingCall.objects.update(due_at=None)
    assert _cells(admin_client, call)["next_try"] == "at once"
    OutgoingCall.objects.update(status="sending")
    assert (cells := _cells(admin_client, call))["took"] == cells["next_try"] == "–"
    OutgoingCall.objects.update(status="sent", due_at=due_at)
    cells = _cells(admin_client, call)
    assert (cells["attempts"], cells["next_try"], cells["took"]) == ("3", "–", "1:00:00")


def test_a_bot_shows_who_polls_it_and_what_needs_somebody(admin_client: Client, world: World) -> None:
    for status in ("failed", "failed", "done", "pending"):
        world.update(status=status)
    world.call(status="unknown")
    key = world.account.pk
    for path in ("/botaccount/", f"/botaccount/{key}/change/"):
        page = text(admin_client, path)
        assert ">polled<" in page
        assert "by process 4242 on host-1" in page
        assert "12 seconds ago" in page or "13 seconds ago" in page
        assert "none yet" in page
        assert f'{APP}/update/?status=failed&amp;account={key}">failed updates: 2' in page
        assert "waiting updates: 1" in page
        assert "unknown calls: 1" in page
        assert "failed calls" not in page


def test_a_bot_that_fails_says_so(admin_client: Client, world: World) -> None:
    account = world.account
    account.lease_until = timezone.now() - timedelta(seconds=1)
    account.last_error, account.last_error_at = "events/get: 502 Bad Gateway", timezone.now()
    account.save()
    page = text(admin_client, "/botaccount/")
    assert ">not polled<" in page
    assert ">failing<" in page
    BotAccount.objects.update(polled_at=timezone.now())
    assert ">recovered<" in text(admin_client, "/botaccount/")
    assert "502 Bad Gateway" in text(admin_client, f"/botaccount/{account.pk}/change/")


def test_a_bot_shows_what_keeps_it_from_answering_while_its_process_lives(admin_client: Client, world: World) -> None:
    update = world.update(status="pending", created_at=timezone.now() - timedelta(minutes=3))
    since = (timezone.now() - timedelta(seconds=40)).isoformat()
    values = {"count": 100, "handlers": "shop.bot:order (98, 190 s)"}
    handler = {"handler": "shop.bot:order", "update": update.pk, "chat_id": "ann@corp", "since": since}
    account = world.account
    account.report = {"conditions": [{"key": "slots_full", "since": since, "values": values}], "busy": [handler]}
    account.save()
    change = f"/botaccount/{account.pk}/change/"
    assert ">slots_full<" in text(admin_client, "/botaccount/")
    page = text(admin_client, change)
    assert "all 100 slots (CONCURRENCY) are taken by shop.bot:order (98, 190 s)" in page
    assert f'/update/{update.pk}/change/">shop.bot:order</a> ann@corp' in page
    assert "40 seconds ago" in page or "41 seconds ago" in page
    assert "3 minutes ago" in page
    russian = admin_client.get(f"{APP}{change}", headers={"accept-language": "ru"}).content.decode()
    assert "все места (CONCURRENCY), 100, заняты" in russian

    BotAccount.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert "slots_full" not in text(admin_client, change)


def test_counts_of_a_bot_are_its_own_and_capped(
    admin_client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BotAccountAdmin, "most_counted", 2)
    other = BotAccount.objects.create(alias="other", user_id="2")
    for _ in range(4):
        world.update(status="failed")
    world.update(status="failed", account=other)
    page = text(admin_client, "/botaccount/")
    assert "failed updates: 2+" in page
    assert "failed updates: 1<" in page


def test_nobody_adds_or_deletes_rows(admin_client: Client, rows: dict[str, Any]) -> None:
    for model in MODELS:
        name = str(model._meta.model_name)
        text(admin_client, f"/{name}/add/", 403)
        text(admin_client, f"/{name}/{rows[name].pk}/delete/", 403)
        assert "Delete selected" not in text(admin_client, f"/{name}/")


@pytest.mark.parametrize("name", ["botaccount", "chat", "chatmessage", "outgoingcall", "update"])
def test_rows_of_the_bot_cannot_be_edited(admin_client: Client, rows: dict[str, Any], name: str) -> None:
    path = f"{APP}/{name}/{rows[name].pk}/change/"
    assert admin_client.post(path, {"status": "done", "text": "changed"}).status_code == 403
    page = admin_client.get(path).content.decode()
    assert 'name="_save"' not in page
    assert "<textarea" not in page


def _grow(world: World, count: int) -> None:
    user = User.objects.first()
    for number in range(count):
        person = f"p{ChatMessage.objects.count()}-{number}@corp.example"
        contact = Contact.objects.create(user_id=person, created_at=timezone.now(), django_user=user)
        chat = Chat.objects.create(account=world.account, chat_id=person, type="private", created_at=timezone.now())
        update = world.update(status="failed", error="KeyError: 'x'", chat_id=person, user_id=person)
        world.call(update=update, status="unknown", error="e", chat_id=person)
        world.message(chat=chat, contact=contact)
        world.message(chat=world.group, contact=contact)
        world.conversation(chat_id=person, user_id=person)
        BotAccount.objects.create(alias=person, user_id=person, last_error="e", last_error_at=timezone.now())


@pytest.mark.parametrize(
    "path", [*(f"/{model._meta.model_name}/" for model in MODELS), "/chat/{group}/log/", "/chatmessage/?q=message"]
)
def test_the_number_of_queries_does_not_grow_with_rows(admin_client: Client, world: World, path: str) -> None:
    path = path.format(group=world.group.pk)
    counts = []
    for _ in range(2):
        _grow(world, 8)
        text(admin_client, path)  # content types are remembered
        with CaptureQueriesContext(connection) as queries:
            text(admin_client, path)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 12


def test_a_contact_is_linked_to_a_user_by_autocomplete(admin_client: Client, world: World) -> None:
    user = User.objects.create_user("anna")
    path = f"{APP}/contact/{world.contact.pk}/change/"
    page = admin_client.get(path).content.decode()
    assert "admin-autocomplete" in page
    assert "related-widget-wrapper-link delete-related" not in page
    assert admin_client.post(path, {"django_user": str(user.pk)}).status_code == 302
    world.contact.refresh_from_db()
    assert world.contact.django_user == user
    assert LogEntry.objects.get().action_flag == CHANGE


def test_without_an_admin_of_users_their_number_is_typed(world: World, admin_user: User, rf: Any) -> None:
    request = rf.get("/")
    request.user = admin_user
    page: Any = ContactAdmin(Contact, AdminSite()).changeform_view(request, str(world.contact.pk))
    page.render()
    assert re.search(r'<input[^>]* name="django_user"', page.content.decode())


def test_a_message_leads_to_its_place_in_the_log(admin_client: Client, world: World) -> None:
    first, *_others = (world.message() for _ in range(120))
    page = text(admin_client, "/chatmessage/?q=anna@corp.example")
    assert page.count('class="field-content"') + page.count("field-content nowrap") == 100
    log = f"/chat/{world.chat.pk}/log/?before={first.pk + 1}"
    assert f"{log}#message-{first.pk}" in text(admin_client, f"/chatmessage/{first.pk}/change/")
    page = text(admin_client, log)
    assert f'id="message-{first.pk}"' in page
    assert page.count('class="vkt-line') == 1
