"""Composing, checking, sending and following broadcasts in the admin; the browser's part is in tests/live."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

import vkteams_bot
from tests.admin.conftest import APP, HOSTILE, World, messages_of
from vkteams_bot import broadcasts, notify
from vkteams_bot.admin.broadcasts import form as broadcast_form
from vkteams_bot.admin.broadcasts.lifecycle_actions import ACTIONS
from vkteams_bot.broadcasts import audiences
from vkteams_bot.broadcasts.expansion import prepare
from vkteams_bot.broadcasts.progress import COLUMNS, OUTCOMES
from vkteams_bot.models import Broadcast, BroadcastAction, Chat, Contact, OutgoingCall

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

LIST = f"{APP}/broadcast/"
STATIC = Path(vkteams_bot.__file__).parent / "static" / "vkteams_bot" / "admin"
ClientWith = Callable[[list[str]], Client]


@pytest.fixture(autouse=True)
def notices(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Any) -> list[notify.TaskMessage]:
    """Messages that would go to the broker."""
    settings.MEDIA_ROOT = tmp_path
    found: list[notify.TaskMessage] = []
    monkeypatch.setattr(notify, "publish", found.append)
    monkeypatch.setattr(audiences, "_segments", {})
    return found


def fields(world: World, **given: Any) -> dict[str, Any]:
    """What the browser sends for a draft."""
    usual = {
        "account": str(world.account.pk),
        "name": "News",
        "text": "Hello",
        "parse_mode": "",
        "keyboard": "",
        "audience": "list",
        "segment": "",
        "recipients": "a@corp.example\nb@corp.example",
        "exclude_unreachable": "on",
        "starts_at_0": "",
        "starts_at_1": "",
        "expires_at_0": "",
        "expires_at_1": "",
        "quiet_from": "",
        "quiet_until": "",
        "time_zone": "",
        "rate_share": "80",
    }
    return usual | given


def draft(world: World, **given: Any) -> Broadcast:
    usual = {"account": world.account, "name": "News", "text": "Hello", "audience": "list", "recipients": "a\nb\nc"}
    return Broadcast.objects.create(**usual | given)


def running(world: World, *chat_ids: str, **given: Any) -> Broadcast:
    broadcast = draft(world, recipients="\n".join(chat_ids or ("a", "b", "c")), **given)
    broadcasts.start(broadcast)
    assert prepare(broadcast.pk)
    broadcast.refresh_from_db()
    return broadcast


def mark(broadcast: Broadcast, chat_id: str, status: str, error: str = "") -> None:
    broadcast.calls.filter(chat_id=chat_id).update(status=status, error=error, finished_at=timezone.now())


def page(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, path
    return response.content.decode()


def test_a_draft_is_composed_with_its_author(admin_client: Client, admin_user: User, world: World) -> None:
    given = fields(world, keyboard="Open = https://shop.example | [primary] Call = callback:call", quiet_from="22:00")
    response = admin_client.post(f"{LIST}add/", given)
    assert "give both ends of the quiet hours" in response.content.decode()
    response = admin_client.post(f"{LIST}add/", {**given, "quiet_until": "08:00", "time_zone": "Europe/Moscow"})
    assert response.status_code == 302
    broadcast = Broadcast.objects.get()
    assert (broadcast.created_by, broadcast.status) == (admin_user, "draft")
    assert broadcast.keyboard == [
        [
            {"text": "Open", "url": "https://shop.example"},
            {"text": "Call", "callbackData": "call", "style": "primary"},
        ]
    ]
    form = page(admin_client, f"{LIST}{broadcast.pk}/change/")
    assert "Open = https://shop.example | [primary] Call = callback:call" in form


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"text": ""}, "write a text or attach a file"),
        ({"text": "{% load x %}", "is_template": "on"}, "Invalid block tag"),
        ({"text": "<b>", "parse_mode": "HTML"}, "has no partner"),
        ({"keyboard": "Label"}, "is neither like"),
        ({"keyboard": "[loud] A = callback:a"}, "is no style"),
        ({"keyboard": '[["x"]]'}, "1 → 1"),
        ({"audience": "segment"}, "choose one of"),
        ({"recipients": "chat_id,contact\na,b"}, "a column cannot be called"),
        ({"recipients": ""}, "the list is empty"),
        ({"recipients": "a\0b"}, "ull characters are not allowed"),
        ({"time_zone": "Moscow"}, "is not a time zone"),
        ({"rate_share": "101"}, "less than or equal to 100"),
        ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "it has passed"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_its_field(
    admin_client: Client, world: World, given: dict[str, str], problem: str
) -> None:
    response = admin_client.post(f"{LIST}add/", fields(world, **given))
    assert response.status_code == 200
    assert problem in response.content.decode()
    assert not Broadcast.objects.exists()


def test_a_list_comes_as_a_file(admin_client: Client, world: World) -> None:
    upload = SimpleUploadedFile("people.csv", "\ufeffchat_id;city\na;Омск\n".encode())
    given = fields(world, recipients="", recipients_file=upload, text="{{ city }}", is_template="on")
    assert admin_client.post(f"{LIST}add/", given).status_code == 302
    assert Broadcast.objects.get().recipients == "chat_id;city\na;Омск\n"
    bad = SimpleUploadedFile("people.csv", "Омск".encode("cp1251"))
    response = admin_client.post(f"{LIST}add/", fields(world, recipients="", recipients_file=bad))
    assert "This is not UTF-8 text." in response.content.decode()


def test_a_long_list_is_kept_without_travelling(admin_client: Client, world: World) -> None:
    recipients = "\n".join(f"person{number}@corp.example" for number in range(10_000))
    assert len(recipients) > broadcast_form.LONGEST_LIST_SHOWN
    broadcast = draft(world, recipients=recipients)
    form = page(admin_client, f"{LIST}{broadcast.pk}/change/")
    assert "person5" not in form
    assert "A list of 10000 lines is kept" in form
    path = f"{LIST}{broadcast.pk}/change/"
    assert admin_client.post(path, fields(world, recipients="", name="Renamed")).status_code == 302
    broadcast.refresh_from_db()
    assert (broadcast.name, broadcast.recipients) == ("Renamed", recipients)
    assert admin_client.post(path, fields(world, recipients="x")).status_code == 302
    broadcast.refresh_from_db()
    assert broadcast.recipients == "x"


def test_another_file_is_uploaded_anew(admin_client: Client, world: World) -> None:
    first = SimpleUploadedFile("a.txt", b"1")
    admin_client.post(f"{LIST}add/", fields(world, file=first))
    broadcast = Broadcast.objects.get()
    Broadcast.objects.update(file_id="known")
    admin_client.post(f"{LIST}{broadcast.pk}/change/", fields(world))
    broadcast.refresh_from_db()
    assert broadcast.file_id == "known"
    admin_client.post(f"{LIST}{broadcast.pk}/change/", fields(world, file=SimpleUploadedFile("b.txt", b"2")))
    broadcast.refresh_from_db()
    assert broadcast.file_id == ""


def test_what_was_started_meanwhile_is_not_overwritten(
    admin_client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check of the permission and the save another operator starts it."""
    broadcast = draft(world)
    check = broadcast_form.BroadcastForm.clean

    def start_while_it_is_checked(form: Any) -> Any:
        broadcasts.start(Broadcast.objects.get(pk=broadcast.pk))
        return check(form)

    monkeypatch.setattr(broadcast_form.BroadcastForm, "clean", start_while_it_is_checked)
    response = admin_client.post(f"{LIST}{broadcast.pk}/change/", fields(world, text="Other"), follow=True)
    assert messages_of(response) == ["It has been started meanwhile: your changes were not saved."]
    # The start was in the transaction of the request, which is undone as a whole.
    broadcast.refresh_from_db()
    assert broadcast.text == "Hello"


def test_the_preview_is_what_is_sent(admin_client: Client, world: World) -> None:
    Contact.objects.create(user_id="b@corp.example", first_name="<Bob>", created_at=timezone.now())
    given = fields(
        world,
        text="<b>Dear {{ contact.first_name }}</b> of {{ city }} {{ 1|add:1 }}",
        parse_mode="HTML",
        is_template="on",
        keyboard="Shop = https://shop.example\n[attention] No = callback:no",
        recipients="chat_id,city\na@corp.example,Oslo\nb@corp.example,Bonn",
        name="",
    )
    shown = admin_client.post(f"{LIST}preview/", given).content.decode()
    assert "<strong>Dear </strong> of Oslo 2" in shown
    assert 'class="vkt-key-attention" title="no">No<' in shown
    assert "As a@corp.example gets it" in shown
    assert "vkt-problems" not in shown
    chosen = admin_client.post(f"{LIST}preview/", {**given, "preview_chat_id": "b@corp.example"}).content.decode()
    assert "<strong>Dear &lt;Bob&gt;</strong> of Bonn 2" in chosen


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"text": "{{ x", "is_template": "on"}, ""),
        ({"text": "{% if %}x", "is_template": "on"}, "Unexpected end of expression"),
        ({"text": "{% if x %}", "is_template": "on"}, "Unclosed tag"),
        ({"text": "*bold", "parse_mode": "MarkdownV2"}, "has no partner"),
        ({"text": "{{ x }}*", "is_template": "on", "parse_mode": "MarkdownV2"}, "has no partner"),
        ({"keyboard": "x"}, "is neither like"),
        ({"text": "x" * 4097}, "longer than 4096"),
        ({"audience": "segment", "segment": "", "is_template": "on"}, ""),
    ],
)
def test_the_preview_tells_what_is_wrong(
    admin_client: Client, world: World, given: dict[str, str], problem: str
) -> None:
    shown = admin_client.post(f"{LIST}preview/", fields(world, **given)).content.decode()
    assert ("vkt-problems" in shown) == bool(problem)
    assert problem in shown


def test_nobody_is_blamed_before_he_wrote_anything(admin_client: Client, world: World) -> None:
    Chat.objects.create(account=world.account, chat_id="a", type="private", created_at=timezone.now())
    given = fields(world, text=" ", audience="private")
    assert "Your text shows here." in admin_client.post(f"{LIST}preview/", given).content.decode()
    for view in ("preview", "audience"):
        shown = admin_client.post(f"{LIST}{view}/", given).content.decode()
        assert "vkt-problems" not in shown
        assert "vkt-error" not in shown


def test_hostile_texts_are_inert(admin_client: Client, world: World) -> None:
    links = f'<a href="javascript:alert(1)">x</a> <a href="https://e.com/&quot;onclick=x">y</a> {HOSTILE}'
    for mode in ("", "HTML", "MarkdownV2"):
        given = fields(world, text=links, parse_mode=mode, keyboard=f"{HOSTILE} = javascript:alert(1)")
        shown = admin_client.post(f"{LIST}preview/", given).content.decode()
        assert "<script>" not in shown
        assert 'href="javascript' not in shown
        assert '"onclick' not in shown
    broadcast = running(world, "a", name=HOSTILE, text=HOSTILE, keyboard=[[{"text": HOSTILE, "url": HOSTILE}]])
    mark(broadcast, "a", "failed", HOSTILE)
    for path in ("", f"{broadcast.pk}/progress/", f"{broadcast.pk}/change/", f"{broadcast.pk}/cancel/"):
        found = page(admin_client, LIST + path)
        assert "<script>alert" not in found, path
        assert "&lt;script&gt;alert" in found, path


def test_the_audience_is_counted_before_sending(admin_client: Client, world: World) -> None:
    now = timezone.now()
    for number in range(7):
        gone = {"unreachable_at": now, "unreachable_reason": "blocked"} if number < 2 else {}
        Chat.objects.create(account=world.account, chat_id=f"{number}", type="private", created_at=now, **gone)
    shown = admin_client.post(f"{LIST}audience/", fields(world, audience="private")).content.decode()
    assert "6 recipients" in shown
    assert "2 left out" in shown
    broken = admin_client.post(f"{LIST}audience/", fields(world, recipients="a b")).content.decode()
    assert "is no chat id" in broken


def test_segments_are_offered_and_a_broken_one_is_told(admin_client: Client, world: World) -> None:
    @broadcasts.audience("vip", label="Very important")
    def vip() -> Any:
        return Chat.objects.filter(type="private")

    @broadcasts.audience("broken")
    def broken() -> Any:
        return ["a"]

    assert "Very important" in page(admin_client, f"{LIST}add/")
    given = fields(world, audience="segment", segment="vip", text="{{ chat_id }}", is_template="on")
    assert "1 recipient<" in admin_client.post(f"{LIST}audience/", given).content.decode()
    assert "anna@corp.example" in admin_client.post(f"{LIST}preview/", given).content.decode()
    given["segment"] = "broken"
    for name in ("audience", "preview"):
        shown = admin_client.post(f"{LIST}{name}/", given).content.decode()
        assert "must give a queryset" in shown


def test_it_is_sent_after_a_question_and_once(
    admin_client: Client,
    admin_user: User,
    world: World,
    notices: list[notify.TaskMessage],
    django_capture_on_commit_callbacks: Any,
) -> None:
    broadcast = draft(world)
    path = f"{LIST}{broadcast.pk}/send/"
    asked = page(admin_client, path)
    assert "Send to 3 recipients" in asked
    assert "at once" in asked
    assert Broadcast.objects.get().status == "draft"
    with django_capture_on_commit_callbacks(execute=True):
        response = admin_client.post(path)
        again = admin_client.post(path, follow=True)
    assert response.headers["Location"] == f"{LIST}{broadcast.pk}/progress/"
    assert "“start” is not possible" in messages_of(again)[0]
    action = BroadcastAction.objects.get()
    assert (action.action, action.user) == ("start", admin_user)
    assert [notice.task for notice in notices] == [notify.PREPARE]
    assert "Send" in str(LogEntry.objects.get())


def test_what_is_wrong_now_is_not_sent(admin_client: Client, world: World) -> None:
    broadcast = draft(world, expires_at=timezone.now() - timedelta(minutes=1))
    asked = page(admin_client, f"{LIST}{broadcast.pk}/send/")
    assert "it has passed" in asked
    assert "Send to" not in asked
    response = admin_client.post(f"{LIST}{broadcast.pk}/send/")
    assert response.status_code == 200
    assert Broadcast.objects.get().status == "draft"


def test_buttons_beside_the_preview_save_first(admin_client: Client, world: World) -> None:
    for name in ("check", "send"):
        response = admin_client.post(f"{LIST}add/", fields(world, **{f"_{name}": ""}))
        assert response.headers["Location"] == f"{LIST}{Broadcast.objects.latest('pk').pk}/{name}/"
    dry_run = page(admin_client, response.headers["Location"].replace("send", "check"))
    assert "What the first recipients get" in dry_run
    assert "2 recipients" in dry_run


def test_a_test_goes_to_ones_own_chat(
    admin_client: Client,
    admin_user: User,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    Contact.objects.filter(pk=world.contact.pk).update(django_user=admin_user)
    sent: list[tuple[str, str, Any]] = []
    monkeypatch.setattr(
        broadcasts, "send_test", lambda broadcast, chat_id, user: sent.append((broadcast.text, chat_id, user))
    )
    assert 'name="test_chat_id" value="anna@corp.example"' in page(admin_client, f"{LIST}add/")
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(f"{LIST}add/", fields(world, text="Try", _test="", test_chat_id="anna@corp.example"))
    assert sent == [("Try", "anna@corp.example", admin_user)]


def test_a_test_that_fails_is_told(admin_client: Client, world: World) -> None:
    """The server of these tests is at an address where nobody listens."""
    broadcast = draft(world)
    response = admin_client.post(f"{LIST}{broadcast.pk}/test/", {"test_chat_id": "me"}, follow=True)
    assert messages_of(response)[0].startswith("The test was not sent: ")
    response = admin_client.post(f"{LIST}{broadcast.pk}/test/", {"test_chat_id": " "}, follow=True)
    assert messages_of(response) == ["Name a chat for the test."]
    assert not BroadcastAction.objects.exists()


POSSIBLE = {
    "preparing": {"pause", "cancel"},
    "scheduled": {"pause", "cancel"},
    "running": {"pause", "cancel", "retry", "retry-unknown"},
    "paused": {"resume", "cancel", "retry", "retry-unknown"},
    "finished": {"retry", "retry-unknown"},
    "cancelled": set(),
    "expired": set(),
}


@pytest.mark.parametrize("status", POSSIBLE)
def test_the_progress_page_offers_what_is_possible(admin_client: Client, world: World, status: str) -> None:
    broadcast = running(world)
    mark(broadcast, "a", "failed", "blocked")
    mark(broadcast, "b", "unknown")
    Broadcast.objects.update(status=status)
    shown = page(admin_client, f"{LIST}{broadcast.pk}/progress/")
    assert {action.name for action in ACTIONS if f'{broadcast.pk}/{action.name}/"' in shown} == POSSIBLE[status]
    assert f"{LIST}{broadcast.pk}/export/" in shown
    assert "blocked" in shown
    assert f"{APP}/outgoingcall/?broadcast__id__exact={broadcast.pk}" in shown


def test_a_retry_is_offered_for_failures_only(admin_client: Client, world: World) -> None:
    shown = page(admin_client, f"{LIST}{running(world).pk}/progress/")
    assert "/retry" not in shown


@pytest.mark.parametrize("name", ["pause", "resume", "retry", "retry-unknown", "cancel"])
def test_a_button_does_it_and_says_who(admin_client: Client, admin_user: User, world: World, name: str) -> None:
    broadcast = running(world)
    mark(broadcast, "a", "failed")
    mark(broadcast, "b", "unknown")
    Broadcast.objects.update(status="paused" if name == "resume" else "running")
    BroadcastAction.objects.all().delete()
    path = f"{LIST}{broadcast.pk}/{name}/"
    if name in ("retry-unknown", "cancel"):
        asked = page(admin_client, path)
        assert f'href="{LIST}{broadcast.pk}/progress/">No, take me back' in asked
    else:
        page(admin_client, path, 405)
    assert not BroadcastAction.objects.exists()
    response = admin_client.post(path, follow=True)
    assert broadcast.name in messages_of(response)[0]
    action = BroadcastAction.objects.get()
    assert (action.action, action.user) == (name.removesuffix("-unknown"), admin_user)
    assert str(admin_user) in response.content.decode()
    assert LogEntry.objects.count() == 1
    expected = {"retry": {"queued": 2, "unknown": 1}, "retry-unknown": {"queued": 3}}
    if name in expected:
        assert broadcasts.Progress.of(broadcast.pk).counts == expected[name]


def test_a_button_of_yesterday_does_nothing(admin_client: Client, world: World) -> None:
    broadcast = running(world)
    Broadcast.objects.update(status="finished")
    response = admin_client.post(f"{LIST}{broadcast.pk}/pause/", follow=True)
    assert "“pause” is not possible" in messages_of(response)[0]
    assert not LogEntry.objects.exists()


def test_the_list_acts_on_many(admin_client: Client, world: World) -> None:
    first, second, third = running(world), running(world), draft(world)
    chosen = {"action": "pause", "_selected_action": [first.pk, second.pk, third.pk]}
    response = admin_client.post(LIST, chosen, follow=True)
    told = messages_of(response)
    assert len(told) == 3
    assert sum("is paused" in text for text in told) == 2
    assert set(Broadcast.objects.values_list("status", flat=True)) == {"paused", "draft"}
    asked = admin_client.post(LIST, {**chosen, "action": "cancel"})
    assert "will never get it" in asked.content.decode()
    assert not Broadcast.objects.filter(status="cancelled").exists()
    admin_client.post(LIST, {**chosen, "action": "cancel", "confirmed": "yes"})
    assert Broadcast.objects.filter(status="cancelled").count() == 2


RIGHTS = {
    "nobody": ([], {}),
    "viewer": (["view_broadcast"], {"list", "progress", "details", "snapshot", "export", "change"}),
    "composer": (
        ["add_broadcast", "change_broadcast"],
        {"list", "progress", "details", "snapshot", "export", "change", "add", "check", "preview", "audience", "save"},
    ),
    "sender": (
        ["send_broadcast"],
        {"list", "progress", "details", "snapshot", "export", "change", "check", "send", "pause", "test", "cancel"},
    ),
}


@pytest.mark.parametrize("who", RIGHTS)
def test_composing_and_sending_are_two_permissions(client_with: ClientWith, world: World, who: str) -> None:
    permissions, allowed = RIGHTS[who]
    client = client_with(permissions)
    new, going = draft(world), running(world)
    given = fields(world)
    answers = {
        "list": client.get(LIST),
        "progress": client.get(f"{LIST}{going.pk}/progress/"),
        "details": client.get(f"{LIST}{going.pk}/details/"),
        "snapshot": client.get(f"{LIST}{going.pk}/snapshot/"),
        "export": client.get(f"{LIST}{going.pk}/export/"),
        "change": client.get(f"{LIST}{new.pk}/change/"),
        "add": client.get(f"{LIST}add/"),
        "check": client.get(f"{LIST}{new.pk}/check/"),
        "preview": client.post(f"{LIST}preview/", given),
        "audience": client.post(f"{LIST}audience/", given),
        "save": client.post(f"{LIST}{new.pk}/change/", given),
        "test": client.post(f"{LIST}{new.pk}/test/", {"test_chat_id": ""}),
        "pause": client.post(f"{LIST}{going.pk}/pause/"),
        "cancel": client.get(f"{LIST}{going.pk}/cancel/"),
        "send": client.post(f"{LIST}{new.pk}/send/"),
    }
    assert {name for name, answer in answers.items() if answer.status_code != 403} == set(allowed)
    assert Broadcast.objects.get(pk=new.pk).status == ("preparing" if "send" in allowed else "draft")
    shown = "" if who == "nobody" else page(client, f"{LIST}{going.pk}/progress/")
    assert ("/cancel/" in shown) == ("cancel" in allowed)


def test_what_was_started_cannot_be_edited(admin_client: Client, world: World) -> None:
    people = [f"person{number}" for number in range(25)]
    broadcast = running(world, *people, text="*x*", parse_mode="MarkdownV2", quiet_from="00:00", quiet_until="00:00")
    path = f"{LIST}{broadcast.pk}/change/"
    shown = page(admin_client, path)
    assert 'name="_save"' not in shown
    assert f"{LIST}{broadcast.pk}/progress/" in shown
    assert "<strong>x</strong>" in shown
    assert "person19" in shown
    assert "person20" not in shown
    assert "… and 5 more lines" in shown
    assert admin_client.post(path, fields(world)).status_code == 403
    assert page(admin_client, f"{LIST}?status=running").count(f"{LIST}{broadcast.pk}/progress/") == 1


def test_one_at_work_is_not_deleted(admin_client: Client, world: World) -> None:
    going = running(world)
    for path, data in (
        (f"{LIST}{going.pk}/delete/", {"post": "yes"}),
        (LIST, {"action": "delete_selected", "_selected_action": [going.pk], "post": "yes"}),
    ):
        response = admin_client.post(path, data)
        assert "is at work: cancel it first." in response.content.decode()
    assert Broadcast.objects.count() == 1
    assert not LogEntry.objects.exists()


def test_one_that_ended_is_deleted_with_its_rows(admin_client: Client, world: World) -> None:
    ended = running(world)
    Broadcast.objects.update(status="cancelled")
    asked = page(admin_client, f"{LIST}{ended.pk}/delete/")
    assert "outgoing calls: 3" in asked.lower()
    assert admin_client.post(f"{LIST}{ended.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not OutgoingCall.objects.exists()


def test_one_started_while_its_deletion_is_confirmed_stays(
    admin_client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = running(world)
    monkeypatch.setattr(Broadcast, "ACTIVE", ())  # as the page sees it
    from vkteams_bot.models import broadcasts as rows

    monkeypatch.setattr(rows.BroadcastQuerySet, "active", lambda rows: rows.in_status("running"))
    for path, data in (
        (f"{LIST}{going.pk}/delete/", {"post": "yes"}),
        (LIST, {"action": "delete_selected", "_selected_action": [going.pk], "post": "yes"}),
    ):
        response = admin_client.post(path, data, follow=True)
        assert "is at work: cancel it first." in messages_of(response)[0]
    assert Broadcast.objects.count() == 1


def test_results_are_exported(admin_client: Client, world: World) -> None:
    broadcast = running(world, "a", "b", name="Новости: май")
    mark(broadcast, "a", "failed", "=1+1")
    response: Any = admin_client.get(f"{LIST}{broadcast.pk}/export/")
    lines = b"".join(response.streaming_content).decode("utf-8-sig").splitlines()
    assert lines == ["chat_id,name,status,error,sent_at,msg_id", "a,,failed,'=1+1,,", "b,,queued,,,"]
    assert "%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8" in response.headers["Content-Disposition"]


def test_the_snapshot_is_small_json(admin_client: Client, world: World) -> None:
    broadcast = running(world)
    mark(broadcast, "a", "sent")
    mark(broadcast, "b", "failed")
    with CaptureQueriesContext(connection) as queries:
        response = admin_client.get(f"{LIST}{broadcast.pk}/snapshot/")
    drawn = json.loads(response.content)
    assert (drawn["status"], drawn["percent"]) == ("running", 66)
    assert drawn["numbers"] == {
        "sent": 1,
        "failed": 1,
        "unknown": 0,
        "dropped": 0,
        "left": 1,
        "total": 3,
        "rate": None,
        "seconds_left": None,
    }
    assert len(queries) <= 6


def test_a_page_that_asks_again_is_told_the_rate(admin_client: Client, world: World) -> None:
    """It gives back what the server told it; nothing is kept in between, and nonsense is nothing."""
    path = f"{LIST}{running(world).pk}/snapshot/"
    meter = json.loads(page(admin_client, path))["meter"]
    Broadcast.objects.get().calls.filter(chat_id__in=["a", "b"]).update(status="sent")
    numbers = json.loads(admin_client.get(path, {"meter": meter}).content)["numbers"]
    assert numbers["rate"] > 0
    assert numbers["seconds_left"] == pytest.approx(1 / numbers["rate"])
    assert json.loads(admin_client.get(path, {"meter": meter + "x"}).content)["numbers"]["rate"] is None


def test_the_progress_page_has_a_place_for_every_column(admin_client: Client, world: World) -> None:
    shown = page(admin_client, f"{LIST}{running(world).pk}/progress/")
    assert re.findall(r'data-number="(\w+)" data-format="(\w+)"', shown) == [
        (column.name, column.format) for column in COLUMNS
    ]
    assert re.findall(r'data-part="(\w+)"', shown) == [outcome.name for outcome in OUTCOMES]
    script = (STATIC / "broadcast_progress.js").read_text()
    assert all(f"    {column.format}: (" in script for column in COLUMNS)
    styles = (STATIC / "broadcasts.css").read_text()
    assert all(f".vkt-part-{column.name} {{" in styles for column in COLUMNS if column.in_bar)


def test_the_list_is_filtered_and_searched(admin_client: Client, world: World) -> None:
    authors = [User.objects.create_user(name) for name in ("ann", "ben")]
    mine = draft(world, name="Spring sale", created_by=authors[0])
    theirs = running(world, name="Autumn", created_by=authors[1])
    for query, found in (
        (f"author={authors[0].pk}", mine),
        ("status=running", theirs),
        ("q=sale", mine),
        (f"q=%23{theirs.pk}", theirs),
    ):
        rows = admin_client.get(f"{LIST}?{query}").context["cl"].result_list
        assert [row.pk for row in rows] == [found.pk], query
    shown = page(admin_client, LIST)
    assert "ann" in shown
    assert f'href="{LIST}add/" class="addlink">New broadcast' in shown


@pytest.fixture
def many(world: World) -> Callable[[int], None]:
    def make(count: int) -> None:
        for number in range(count):
            author = User.objects.create_user(f"author{User.objects.count()}")
            broadcast = running(world, *(f"{number}-{one}" for one in range(4)), created_by=author)
            mark(broadcast, f"{number}-0", "failed", f"reason {number}")
            draft(world, created_by=author)

    return make


def test_the_number_of_queries_does_not_grow(admin_client: Client, many: Callable[[int], None], world: World) -> None:
    counts = []
    for _ in range(2):
        many(4)
        page(admin_client, LIST)
        with CaptureQueriesContext(connection) as queries:
            page(admin_client, LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


def test_progress_costs_the_same_for_many_recipients(admin_client: Client, world: World) -> None:
    counts = []
    for size in (3, 60):
        broadcast = running(world, *(f"{size}-{number}" for number in range(size)))
        for chat_id in broadcast.calls.values_list("chat_id", flat=True):
            mark(broadcast, chat_id, "failed", "blocked")
        path = f"{LIST}{broadcast.pk}/progress/"
        page(admin_client, path)
        with CaptureQueriesContext(connection) as queries:
            page(admin_client, path)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 14


def test_a_call_leads_to_its_broadcast_and_resent_lets_it_run_again(
    admin_client: Client, world: World, notices: list[notify.TaskMessage], django_capture_on_commit_callbacks: Any
) -> None:
    ended = running(world, "a")
    mark(ended, "a", "failed", "blocked")
    Broadcast.objects.update(status="finished", counts={"failed": 1})
    call = ended.calls.get()
    assert f"{LIST}{ended.pk}/change/" in page(admin_client, f"{APP}/outgoingcall/{call.pk}/change/")
    listed = admin_client.get(f"{APP}/outgoingcall/?broadcast__id__exact={ended.pk}").context["cl"].result_list
    assert [row.pk for row in listed] == [call.pk]
    connection.run_on_commit.clear()  # the message of its start
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(f"{APP}/outgoingcall/{call.pk}/resend/", {"confirmed": "yes"})
    ended.refresh_from_db()
    assert (ended.status, ended.counts) == ("running", None)
    assert ended.calls.get().status == "queued"
    assert [(notice.task, notice.args) for notice in notices] == [(notify.DELIVER, (world.account.pk, True))]
