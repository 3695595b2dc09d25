"""Editing the state and data of a dialog by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.admin.conftest import APP, World
from vkteams_bot.models import Conversation

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def edit(client: Client, conversation: Conversation, **changes: Any) -> Any:
    data = {
        "state": conversation.state or "",
        "data": "{}",
        "expires_at_0": "",
        "expires_at_1": "",
        "seen_version": str(conversation.version),
        **changes,
    }
    return client.post(f"{APP}/conversation/{conversation.pk}/change/", data)


def test_an_edit_is_saved_moves_the_version_and_shows_its_author(
    admin_client: Client, admin_user: User, world: World
) -> None:
    conversation = world.conversation()
    assert edit(admin_client, conversation, state="Form:name", data='{"name": "Анна", "n": 1.5}').status_code == 302
    changed = Conversation.objects.get()
    assert (changed.state, changed.data) == ("Form:name", {"name": "Анна", "n": 1.5})
    assert changed.version == conversation.version + 1
    assert (changed.account, changed.chat_id) == (conversation.account, conversation.chat_id)
    page = admin_client.get(f"{APP}/conversation/{conversation.pk}/change/").content.decode()
    assert f"{admin_user}, <time" in page
    assert "&quot;name&quot;: &quot;Анна&quot;" in page


def test_an_empty_state_is_no_state(admin_client: Client, world: World) -> None:
    conversation = world.conversation()
    assert edit(admin_client, conversation, state="", data="").status_code == 302
    changed = Conversation.objects.get()
    assert (changed.state, changed.data) == (None, {})


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ('{"a": 1,\n}', "Line 2, column 1"),
        ("[1]", "This must be an object"),
        ("null", "This must be an object"),
        ('{"a": NaN}', "This is not JSON: NaN"),
        ('{"a": "\\u0000"}', "cannot be stored"),
        ('{"a": ["\\ud800"]}', "cannot be stored"),
        ('{"\\ud800": 1}', "cannot be stored"),
        ("[" * 100_000, "This is not JSON"),
    ],
)
def test_what_is_no_object_is_refused_and_kept_in_the_form(
    admin_client: Client, world: World, typed: str, problem: str
) -> None:
    conversation = world.conversation()
    response = edit(admin_client, conversation, data=typed)
    assert response.status_code == 200
    assert problem in response.content.decode()
    assert response.context["adminform"].form["data"].value() == typed
    assert Conversation.objects.get().data == {"item": "kettle"}


def test_what_the_bot_has_changed_meanwhile_is_not_overwritten(admin_client: Client, world: World) -> None:
    conversation = world.conversation()
    Conversation.objects.update(version=conversation.version + 1, data={"item": "tea"})
    response = edit(admin_client, conversation, data='{"item": "coffee"}')
    assert response.status_code == 200
    assert "The bot has changed this conversation since you opened it" in response.content.decode()
    assert Conversation.objects.get().data == {"item": "tea"}


def test_dialogs_are_filtered(admin_client: Client, world: World) -> None:
    past, future = (timezone.now() + timedelta(hours=hours) for hours in (-1, 1))
    on = world.conversation(expires_at=future)
    expired = world.conversation(user_id="b", expires_at=past)
    idle = world.conversation(user_id="c", state=None)
    for query, shown in (("", {on, expired, idle}), ("?dialog=on", {on, expired}), ("?dialog=expired", {expired})):
        page = admin_client.get(f"{APP}/conversation/{query}").content.decode()
        assert {row for row in (on, expired, idle) if f"/conversation/{row.pk}/change/" in page} == shown
    assert ">expired<" in admin_client.get(f"{APP}/conversation/{expired.pk}/change/").content.decode()
