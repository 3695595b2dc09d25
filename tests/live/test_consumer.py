"""The websocket of a broadcast: who may listen, what they hear, when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from pytest_django import Settings

from vkteams_bot.live import consumers
from vkteams_bot.live.consumers import BroadcastConsumer
from vkteams_bot.live.receivers import group_of
from vkteams_bot.live.routing import websocket_urlpatterns
from vkteams_bot.models import BotAccount, Broadcast

pytestmark = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]


class Socket:
    """The page's side."""

    def __init__(self, broadcast_id: int, client: Client | None = None, origin: str = "http://testserver") -> None:
        cookies = {name: morsel.value for name, morsel in client.cookies.items()} if client else {}
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        scope = {
            "type": "websocket",
            "path": f"/ws/vkteams_bot/broadcasts/{broadcast_id}/",
            "headers": [(b"cookie", cookie.encode()), (b"origin", origin.encode())],
        }
        self._socket = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)

    async def connect(self) -> dict[str, Any]:
        await self._socket.send_input({"type": "websocket.connect"})
        return await self.output()

    async def output(self, seconds: float = 10) -> dict[str, Any]:
        output: dict[str, Any] = await self._socket.receive_output(seconds)
        return output

    async def snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await self.output())["text"])
        return found

    async def silent(self) -> bool:
        return bool(await self._socket.receive_nothing(0.3))

    async def say(self, text: str) -> None:
        await self._socket.send_input({"type": "websocket.receive", "text": text})

    async def leave(self) -> None:
        await self._socket.send_input({"type": "websocket.disconnect", "code": 1001})
        await self._socket.wait()


@pytest.fixture
def broadcast() -> Broadcast:
    account = BotAccount.objects.create(alias="default", user_id="1000000001")
    return Broadcast.objects.create(account=account, name="News", text="x", status="running", total=10, counts={})


def client_of(*permissions: str, **fields: Any) -> Client:
    user = User.objects.create_user("somebody", **{"is_staff": True} | fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await scene()
        finally:
            await sync_to_async(connections.close_all)()

    asyncio.run(whole())


def change(broadcast: Broadcast, **fields: Any) -> Awaitable[int]:
    return sync_to_async(Broadcast.objects.filter(pk=broadcast.pk).update)(**fields)


def test_staff_who_may_see_it_get_snapshots(broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being told: it looks by itself."""
    monkeypatch.setattr(consumers, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(consumers, "REST_SECONDS", 0.01)
    client = client_of("view_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client)
        assert (await socket.connect())["type"] == "websocket.accept"
        first = await socket.snapshot()
        assert (first["status"], first["total"], first["sent"]) == ("running", 10, 0)
        assert await socket.silent()
        await socket.say("{not json")
        await change(broadcast, counts={"sent": 4, "failed": 1})
        second = await socket.snapshot()
        assert (second["sent"], second["failed"], second["done"]) == (4, 1, 5)
        await socket.leave()

    run(scene)


def test_it_looks_when_it_is_told(broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "LOOK_SECONDS", 3_600)
    monkeypatch.setattr(consumers, "REST_SECONDS", 0.01)
    client = client_of("send_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client)
        await socket.connect()
        await socket.snapshot()
        await change(broadcast, status="paused")
        assert await socket.silent()
        layer: Any = get_channel_layer()
        await layer.group_send(group_of(broadcast.pk), {"type": "look"})
        assert (await socket.snapshot())["status"] == "paused"
        await socket.leave()
        assert not layer.groups.get(group_of(broadcast.pk))

    run(scene)


def test_without_a_channel_layer_it_works_too(
    broadcast: Broadcast, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_LAYERS = {}
    monkeypatch.setattr(consumers, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(consumers, "REST_SECONDS", 0.01)
    client = client_of("change_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client)
        await socket.connect()
        await socket.snapshot()
        await change(broadcast, status="finished")
        assert (await socket.snapshot())["status"] == "finished"
        await socket.leave()

    run(scene)


@pytest.mark.parametrize(
    ("permissions", "fields"),
    [((), {}), (("view_broadcast",), {"is_staff": False}), (("add_broadcast", "view_chat"), {})],
)
def test_others_are_turned_away(broadcast: Broadcast, permissions: tuple[str, ...], fields: dict[str, Any]) -> None:
    client = client_of(*permissions, **fields)

    async def scene() -> None:
        for someone in (client, None):
            answer = await Socket(broadcast.pk, someone).connect()
            assert (answer["type"], answer["code"]) == ("websocket.close", consumers.DENIED)

    run(scene)


def test_pages_of_other_sites_are_turned_away(broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pattern brings its guard with it, which has read ALLOWED_HOSTS: in these tests all."""
    monkeypatch.setattr(websocket_urlpatterns[0].callback, "allowed_origins", ["shop.example"])
    client = client_of("view_broadcast")

    async def scene() -> None:
        stranger = Socket(broadcast.pk, client, origin="https://evil.example")
        assert (await stranger.connect())["type"] == "websocket.close"
        socket = Socket(broadcast.pk, client, origin="https://shop.example")
        assert (await socket.connect())["type"] == "websocket.accept"
        await socket.leave()

    run(scene)


def test_it_ends_with_the_broadcast(broadcast: Broadcast) -> None:
    client = client_of("view_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk + 1, client)
        assert (await socket.connect())["type"] == "websocket.accept"
        assert (await socket.output())["code"] == consumers.GONE
        await socket.leave()

    run(scene)


def test_after_a_while_the_page_has_to_come_again(broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "LIFE_SECONDS", 0.0)
    client = client_of("view_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client)
        await socket.connect()
        assert (await socket.output())["code"] == consumers.RENEW
        await socket.leave()

    run(scene)


def test_a_lost_database_closes_it(broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_: int) -> dict[str, Any]:
        raise OSError("gone")

    monkeypatch.setattr(consumers, "snapshot", lost)
    client = client_of("view_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client)
        await socket.connect()
        assert (await socket.output())["code"] == consumers.BROKEN
        await socket.leave()

    run(scene)


def test_nothing_goes_on_looking_when_the_connection_breaks(broadcast: Broadcast) -> None:
    """The server of the website is stopped, or the channel layer fails: no `disconnect` comes."""
    user = User.objects.create_superuser("root")

    async def scene() -> None:
        received = [{"type": "websocket.connect"}]

        async def receive() -> dict[str, Any]:
            if received:
                return received.pop()
            await asyncio.sleep(0.2)
            raise ConnectionError("the channel layer is away")

        async def send(_: Any) -> None: ...

        scope = {"type": "websocket", "user": user, "url_route": {"kwargs": {"broadcast_id": broadcast.pk}}}
        application: Any = BroadcastConsumer.as_asgi()
        with pytest.raises(ConnectionError):
            await application(scope, receive, send)
        await asyncio.sleep(0)
        assert not [task for task in asyncio.all_tasks() if "looking" in task.get_name()]

    run(scene)
