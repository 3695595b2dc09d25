"""Whatever somebody writes into an address, a list of the admin answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client

from tests.admin.conftest import World
from vkteams_bot.admin.base import RowAdmin
from vkteams_bot.models import Broadcast

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

NASTY = [
    *("", "x", "0", "-1", "9" * 30, "-" + "9" * 30, "1.5", "1e5", "٣", "²", "None"),
    *("\0", "a\0b", "1,2", "%", "'", "é" * 300),
]


def lists() -> list[tuple[str, str]]:
    """Each list with each parameter that it reads."""
    found: list[tuple[str, str]] = []
    for model, model_admin in admin.site._registry.items():
        if not isinstance(model_admin, RowAdmin):
            continue
        filters = [str(getattr(item, "parameter_name", item)) for item in model_admin.list_filter]
        for name in (*filters, *model_admin.lookups, "id__lt", "id__exact", "p", "q", "all", "o", "e"):
            found.append((f"/admin/vkteams_bot/{model._meta.model_name}/", name))
    return found


def test_every_list_is_looked_at() -> None:
    assert len({path for path, _ in lists()}) == len(
        [model_admin for model_admin in admin.site._registry.values() if isinstance(model_admin, RowAdmin)]
    )
    assert len(lists()) > 70
    assert {"author", "status", "account", "which", "dialog", "update__id__exact"} <= {name for _, name in lists()}


@pytest.mark.parametrize(("path", "name"), lists(), ids=lambda text: text.strip("/").rpartition("/")[2])
def test_a_nasty_value_is_answered(admin_client: Client, admin_user: User, world: World, path: str, name: str) -> None:
    for make in (world.update, world.call, world.message, world.conversation):
        make()
    Broadcast.objects.create(account=world.account, name="News", created_by=admin_user)
    for value in NASTY:
        query = QueryDict(mutable=True)
        query[name] = value
        response: Any = admin_client.get(f"{path}?{query.urlencode()}")
        assert response.status_code in (200, 302, 400), value


@pytest.mark.parametrize("name", ["change", "delete", "progress", "details", "snapshot", "export", "check", "pause"])
def test_a_number_that_no_broadcast_can_have_is_not_found(admin_client: Client, name: str) -> None:
    for key in ("9" * 30, "0"):
        response = admin_client.get(f"/admin/vkteams_bot/broadcast/{key}/{name}/", follow=True)
        assert response.status_code in (200, 404, 405)
    posted = admin_client.post(f"/admin/vkteams_bot/broadcast/preview/?broadcast={'9' * 30}", {"text": "Hello"})
    assert "Hello" in posted.content.decode()


@pytest.mark.parametrize("name", ["author", "account"])
def test_a_key_still_filters(admin_client: Client, admin_user: User, world: World, name: str) -> None:
    mine = Broadcast.objects.create(account=world.account, name="News", created_by=admin_user)
    key = {"author": admin_user.pk, "account": world.account.pk}[name]
    for value, found in ((str(key), [mine]), (str(key + 1), []), ("x", [])):
        listed: Any = admin_client.get("/admin/vkteams_bot/broadcast/", {name: value})
        assert list(listed.context["cl"].result_list) == found
