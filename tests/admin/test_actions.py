"""Retry, resend, drop, reset, match: from the list and from a page, by those who may, asked before a loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.admin.conftest import APP, World, messages_of
from vkteams_bot.admin import OutgoingCallAdmin
from vkteams_bot.admin.actions import LOGGED
from vkteams_bot.models import Contact, OutgoingCall, Update

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

ClientWith = Callable[[Iterable[str]], Client]


def act(client: Client, name: str, action: str, keys: Iterable[Any], **more: str) -> Any:
    data = {"action": action, "_selected_action": [str(key) for key in keys], "index": "0", **more}
    return client.post(f"{APP}/{name}/", data, follow=True)


def confirm(client: Client, name: str, action: str, keys: Iterable[Any], query: str = "", **more: str) -> Any:
    data = {"action": action, "_selected_action": [str(key) for key in keys], "confirmed": "yes", **more}
    return client.post(f"{APP}/{name}/{query}", data, follow=True)


def status_of(row: Any) -> str:
    row.refresh_from_db()
    return str(row.status)


def test_retry_from_the_list(admin_client: Client, world: World) -> None:
    failed = world.update(status="failed", error="KeyError", attempts=3)
    unhandled = world.update(status="unhandled")
    done = world.update(status="done")
    untouched = world.update(status="failed")
    response = act(admin_client, "update", "retry", [failed.pk, unhandled.pk, done.pk])
    assert messages_of(response) == [
        "2 updates will be handled again.",
        "Left alone: 1. Their status does not allow this, or has just changed.",
    ]
    assert [status_of(row) for row in (failed, unhandled, done, untouched)] == ["retry", "retry", "done", "failed"]
    assert (failed.error, failed.attempts) == ("", 0)
    assert {entry.object_id for entry in LogEntry.objects.all()} == {str(failed.pk), str(unhandled.pk)}


def test_retry_from_the_page(admin_client: Client, world: World) -> None:
    update = world.update(status="failed")
    path = f"{APP}/update/{update.pk}"
    assert f'action="{path}/retry/"' in admin_client.get(f"{path}/change/").content.decode()
    assert admin_client.get(f"{path}/retry/").status_code == 405
    response = admin_client.post(f"{path}/retry/", follow=True)
    assert messages_of(response) == ["1 update will be handled again."]
    assert status_of(update) == "retry"
    assert f"{path}/retry/" not in response.content.decode()
    assert LogEntry.objects.get().change_message == "Retry"


def test_a_button_that_comes_too_late_changes_nothing(admin_client: Client, world: World) -> None:
    update = world.update(status="done")
    response = admin_client.post(f"{APP}/update/{update.pk}/retry/", follow=True)
    assert messages_of(response) == ["Left alone: 1. Their status does not allow this, or has just changed."]
    assert status_of(update) == "done"
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("action", "open_status", "queued_status"), [("resend", "queued", "queued"), ("drop", "dropped", "dropped")]
)
def test_calls_are_resent_and_dropped_after_a_question(
    admin_client: Client, world: World, action: str, open_status: str, queued_status: str
) -> None:
    rows = {status: world.call(status=status, error="e") for status in OutgoingCall.Status}
    keys = [row.pk for row in rows.values()]
    question = act(admin_client, "outgoingcall", action, keys).content.decode()
    assert "Selected: 6." in question
    assert [status_of(row) for row in rows.values()] == list(rows)
    response = confirm(admin_client, "outgoingcall", action, keys)
    assert len(messages_of(response)) == 2
    after = {status: status_of(row) for status, row in rows.items()}
    assert after == {
        "queued": queued_status,
        "sending": "sending",
        "sent": "sent",
        "failed": open_status,
        "unknown": open_status,
        "dropped": "dropped",
    }


@pytest.mark.parametrize(("action", "after"), [("resend", "queued"), ("drop", "dropped")])
def test_a_call_is_decided_on_its_page(admin_client: Client, world: World, action: str, after: str) -> None:
    call = world.call(status="unknown")
    path = f"{APP}/outgoingcall/{call.pk}"
    assert f'href="{path}/{action}/"' in admin_client.get(f"{path}/change/").content.decode()
    assert admin_client.get(f"{path}/{action}/").status_code == 200
    assert status_of(call) == "unknown"
    assert admin_client.post(f"{path}/{action}/").status_code == 302
    assert status_of(call) == after


def test_a_thousand_rows_are_logged_by_a_bounded_number_of_statements(admin_client: Client, world: World) -> None:
    """Each was an INSERT of its own."""
    now = timezone.now()
    Update.objects.bulk_create(
        Update(account=world.account, event_id=number, type="x", payload={}, status="failed", created_at=now)
        for number in range(1_001)
    )
    first = Update.objects.earliest("pk")
    with CaptureQueriesContext(connection) as queries:
        response = act(admin_client, "update", "retry", [first.pk], select_across="1")
    assert messages_of(response) == ["1001 updates will be handled again."]
    logged = LogEntry.objects.values_list("object_id", flat=True)
    assert len(set(logged)) == len(logged) == LOGGED == 1_000
    assert str(first.pk) not in logged, "the newest are"
    inserts = [query["sql"] for query in queries if query["sql"].startswith('INSERT INTO "django_admin_log"')]
    # Django gives SQLite at most 999 parameters at once.
    assert len(inserts) <= (1 if connection.vendor == "postgresql" else 8)
    assert len(queries) <= 35


def test_all_pages_of_a_filtered_list_at_once(admin_client: Client, world: World) -> None:
    unknown = [world.call(status="unknown") for _ in range(3)]
    refused = world.call(status="failed")
    confirm(admin_client, "outgoingcall", "drop", [unknown[0].pk], "?status=unknown", select_across="1")
    assert [status_of(call) for call in unknown] == ["dropped"] * 3
    assert status_of(refused) == "failed"


def test_of_more_rows_than_are_counted_nobody_is_told_how_many_were_left(
    admin_client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OutgoingCallAdmin, "most_counted", 2)
    calls = [world.call(status=status) for status in ("unknown", "failed", "sent")]
    keys = [call.pk for call in calls]
    assert "Selected: more than 2." in act(admin_client, "outgoingcall", "drop", keys).content.decode()
    assert messages_of(confirm(admin_client, "outgoingcall", "drop", keys)) == ["2 calls were dropped."]
    assert [status_of(call) for call in calls] == ["dropped", "dropped", "sent"]


def test_the_question_keeps_what_was_selected(admin_client: Client, world: World) -> None:
    calls = [world.call(status="unknown") for _ in range(2)]
    page = act(admin_client, "outgoingcall", "drop", [call.pk for call in calls], select_across="1").content.decode()
    for call in calls:
        assert f'name="_selected_action" value="{call.pk}"' in page
    assert 'name="select_across" value="1"' in page
    assert 'name="confirmed"' in page


def test_conversations_are_reset_after_a_question(admin_client: Client, world: World) -> None:
    conversation = world.conversation()
    version = conversation.version
    act(admin_client, "conversation", "reset", [conversation.pk])
    conversation.refresh_from_db()
    assert conversation.state == "OrderForm:address"
    response = confirm(admin_client, "conversation", "reset", [conversation.pk])
    assert messages_of(response) == ["1 conversation was reset."]
    conversation.refresh_from_db()
    assert conversation.state is None
    assert conversation.data == {}
    assert conversation.version == version + 1


def test_contacts_are_matched_by_e_mail(admin_client: Client, world: World) -> None:
    user = User.objects.create_user("anna", "Anna@corp.example")
    stranger = Contact.objects.create(user_id="nobody@corp.example", created_at=world.contact.created_at)
    response = act(admin_client, "contact", "match", [world.contact.pk, stranger.pk])
    assert messages_of(response)[0] == "1 contact was linked to a user."
    assert messages_of(response)[1].startswith("Not linked: 1.")
    world.contact.refresh_from_db()
    assert world.contact.django_user == user


ACTIONS = [
    ("update", "retry"),
    ("outgoingcall", "resend"),
    ("outgoingcall", "drop"),
    ("conversation", "reset"),
    ("contact", "match"),
]


@pytest.mark.parametrize(("name", "action"), ACTIONS)
def test_to_see_is_not_to_act(client_with: ClientWith, world: World, name: str, action: str) -> None:
    User.objects.create_user("anna", "anna@corp.example")
    row: Any = {
        "update": lambda: world.update(status="failed"),
        "outgoingcall": lambda: world.call(status="unknown"),
        "conversation": world.conversation,
        "contact": lambda: world.contact,
    }[name]()
    before = type(row).objects.filter(pk=row.pk).values().get()

    viewer = client_with([f"view_{name}"])
    page = viewer.get(f"{APP}/{name}/{row.pk}/change/")
    assert page.status_code == 200
    assert f"/{action}/" not in page.content.decode()
    assert f'value="{action}"' not in viewer.get(f"{APP}/{name}/").content.decode()
    assert viewer.post(f"{APP}/{name}/{row.pk}/{action}/").status_code == 403
    act(viewer, name, action, [row.pk])
    confirm(viewer, name, action, [row.pk])
    assert type(row).objects.filter(pk=row.pk).values().get() == before

    operator = client_with([f"change_{name}"])
    assert f"/{action}/" in operator.get(f"{APP}/{name}/{row.pk}/change/").content.decode()
    assert operator.post(f"{APP}/{name}/{row.pk}/{action}/").status_code == 302
    assert type(row).objects.filter(pk=row.pk).values().get() != before


def test_the_page_of_an_update_keeps_the_secrets_of_other_tables(client_with: ClientWith, world: World) -> None:
    update = world.update(status="failed")
    call = world.call(update=update, status="unknown", error="the error of the call")
    world.conversation(state="Secret:state")
    page = client_with(["view_update"]).get(f"{APP}/update/{update.pk}/change/").content.decode()
    assert str(call.pk) not in page
    assert "the error of the call" not in page
    assert "Secret:state" not in page


def test_the_log_needs_the_permission_to_see_messages(client_with: ClientWith, world: World) -> None:
    path = f"{APP}/chat/{world.chat.pk}/log/"
    assert client_with(["view_chat"]).get(path).status_code == 403
    assert client_with(["view_chatmessage"]).get(path).status_code == 403
    assert client_with(["view_chat", "view_chatmessage"]).get(path).status_code == 200


def test_a_stranger_is_sent_to_the_login(client: Client, world: World) -> None:
    update = world.update(status="failed")
    for path in (f"/update/{update.pk}/retry/", f"/chat/{world.chat.pk}/log/", "/update/"):
        response = client.post(APP + path)
        assert response.status_code == 302
        assert "/login/" in response["Location"]
    assert status_of(update) == "failed"


def test_an_action_without_a_token_is_refused(admin_user: User, world: World) -> None:
    update = world.update(status="failed")
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(f"{APP}/update/{update.pk}/retry/").status_code == 403
    assert Update.objects.get(pk=update.pk).status == "failed"
