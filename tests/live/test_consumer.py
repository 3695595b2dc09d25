"""The websocket of a broadcast: who may listen, what they hear, when it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.security.websocket import OriginValidator
from django.contrib.auth.models import Permission, User
from django.db import InterfaceError, connections, transaction
from django.test import Client
from django.urls import path
from pytest_django import Settings

from vkteams_bot.broadcasts.progress import Meter, snapshot
from vkteams_bot.live import consumers
from vkteams_bot.live.consumers import BroadcastConsumer
from vkteams_bot.live.receivers import group_of
from vkteams_bot.live.routing import BROADCAST_PATH, guarded, websocket_urlpatterns
from vkteams_bot.models import BotAccount, Broadcast

pytestmark = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]


class Socket:
    """The page's side."""

    def __init__(
        self, broadcast_id: int, client: Client | None = None, origin: str = "http://testserver", **tuning: Any
    ) -> None:
        cookies = {name: morsel.value for name, morsel in client.cookies.items()} if client else {}
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        scope = {
            "type": "websocket",
            "path": f"/ws/vkteams_bot/broadcasts/{broadcast_id}/",
            "headers": [(b"cookie", cookie.encode()), (b"origin", origin.encode())],
        }
        tuned = [path(BROADCAST_PATH, guarded(BroadcastConsumer.as_asgi(**tuning)))]
        self._socket = ApplicationCommunicator(URLRouter(tuned if tuning else websocket_urlpatterns), scope)

    async def connect(self) -> dict[str, Any]:
        await self._socket.send_input({"type": "websocket.connect"})
        return await self.output()

    async def output(self, seconds: float = 10) -> dict[str, Any]:
        output: dict[str, Any] = await self._socket.receive_output(seconds)
        return output

    async def snapshot(self) -> dict[str, Any]:
        snapshot: dict[str, Any] = json.loads((await self.output())["text"])
        return snapshot

    async def end(self) -> int:
        """The code that it is closed with, after whatever else is said."""
        while (output := await self.output())["type"] != "websocket.close":
            assert output["type"] in ("websocket.accept", "websocket.send")
        return int(output["code"])

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


OFTEN: dict[str, Any] = {"look_seconds": 0.02, "rest_seconds": 0.01}


def test_staff_who_may_see_it_get_snapshots(broadcast: Broadcast) -> None:
    """Without being told: it looks by itself."""
    client = client_of("view_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client, **OFTEN)
        assert (await socket.connect())["type"] == "websocket.accept"
        first = await socket.snapshot()
        assert (first["status"], first["numbers"]["total"], first["numbers"]["sent"]) == ("running", 10, 0)
        assert (first["numbers"]["rate"], (await socket.snapshot())["numbers"]["rate"]) == (None, 0.0)
        assert await socket.silent()
        await socket.say("{not json")
        await change(broadcast, counts={"sent": 4, "failed": 1})
        second = (await socket.snapshot())["numbers"]
        assert (second["sent"], second["failed"], second["left"]) == (4, 1, 5)
        assert second["rate"] > 0
        await socket.leave()

    run(scene)


def test_it_looks_when_it_is_told(broadcast: Broadcast) -> None:
    client = client_of("send_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client, look_seconds=3_600, rest_seconds=0.01)
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


def test_without_a_channel_layer_it_works_too(broadcast: Broadcast, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {}
    client = client_of("change_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client, **OFTEN)
        await socket.connect()
        await socket.snapshot()
        await change(broadcast, status="paused")
        while (await socket.snapshot())["status"] != "paused":
            pass
        await socket.leave()

    run(scene)


@pytest.mark.parametrize("status", ["finished", "cancelled", "expired"])
def test_one_that_is_over_is_read_once_more_and_no_longer(broadcast: Broadcast, status: str) -> None:
    """It was read every two seconds for as long as somebody left the page open."""
    client = client_of("view_broadcast")
    looks: list[int] = []

    def counted(broadcast_id: int, meter: Meter) -> dict[str, Any]:
        looks.append(broadcast_id)
        return snapshot(broadcast_id, meter)

    async def scene() -> None:
        socket = Socket(broadcast.pk, client, **OFTEN, read=counted)
        await socket.connect()
        await socket.snapshot()
        await change(broadcast, status=status, counts={"sent": 9, "dropped": 1})
        while not (last := await socket.snapshot())["is_over"]:
            pass
        assert (last["status"], last["percent"]) == (status, 100)
        count = len(looks)
        assert await socket.end() == consumers.OVER
        await asyncio.sleep(0.2)
        assert len(looks) == count
        await socket.leave()

    run(scene)


def test_one_that_was_cancelled_is_followed_until_its_results_are_final(broadcast: Broadcast) -> None:
    client = client_of("view_broadcast")

    async def scene() -> None:
        await change(broadcast, status="cancelled", counts=None)
        socket = Socket(broadcast.pk, client, **OFTEN)
        await socket.connect()
        assert not (await socket.snapshot())["is_over"]
        assert await socket.silent()
        await change(broadcast, counts={"dropped": 10})
        assert (await socket.snapshot())["is_over"]
        assert await socket.end() == consumers.OVER
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
            socket = Socket(broadcast.pk, someone)
            assert (await socket.connect())["type"] == "websocket.accept"  # or the browser could not read the code
            output = await socket.output()
            assert (output["type"], output.get("code")) == ("websocket.close", consumers.DENIED)
            await socket.leave()

    run(scene)


def test_pages_of_other_sites_are_turned_away(broadcast: Broadcast, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["shop.example"]
    client = client_of("view_broadcast")

    async def scene() -> None:
        stranger = Socket(broadcast.pk, client, origin="https://evil.example", **OFTEN)
        assert (await stranger.connect())["type"] == "websocket.close"
        socket = Socket(broadcast.pk, client, origin="https://shop.example", **OFTEN)
        assert (await socket.connect())["type"] == "websocket.accept"
        await socket.leave()

    run(scene)
    assert isinstance(websocket_urlpatterns[0].callback, OriginValidator)


def test_it_ends_with_the_broadcast(broadcast: Broadcast) -> None:
    client = client_of("view_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk + 1, client)
        await socket.connect()
        assert await socket.end() == consumers.GONE
        await socket.leave()

    run(scene)


def cancel_and_delete(broadcast: Broadcast) -> None:
    """As one: a page that looks in between would be told that it is over."""
    with transaction.atomic():
        Broadcast.objects.filter(pk=broadcast.pk).update(status="cancelled")
        broadcast.delete()


def test_one_that_is_deleted_while_it_is_followed(broadcast: Broadcast) -> None:
    client = client_of("view_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client, **OFTEN)
        await socket.connect()
        await socket.snapshot()
        await sync_to_async(cancel_and_delete)(broadcast)
        assert await socket.end() == consumers.GONE
        await socket.leave()

    run(scene)


def test_after_a_while_the_page_has_to_come_again(broadcast: Broadcast) -> None:
    client = client_of("view_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client, life_seconds=0.0)
        await socket.connect()
        assert await socket.end() == consumers.RENEW
        await socket.leave()

    run(scene)


@pytest.mark.parametrize(
    ("failure", "level"),
    [(InterfaceError("the connection is closed"), logging.INFO), (KeyError("a bug of ours"), logging.ERROR)],
)
def test_what_fails_closes_it_and_only_an_outage_is_quiet(
    broadcast: Broadcast, caplog: pytest.LogCaptureFixture, failure: Exception, level: int
) -> None:
    """Any bug was one INFO line with the name of a type."""

    def fail(*_: Any) -> dict[str, Any]:
        raise failure

    client = client_of("view_broadcast")

    async def scene() -> None:
        socket = Socket(broadcast.pk, client, read=fail)
        await socket.connect()
        assert await socket.end() == consumers.BROKEN
        await socket.leave()

    with caplog.at_level(logging.INFO, "vkteams_bot.live"):
        run(scene)
    (record,) = [record for record in caplog.records if record.name == "vkteams_bot.live"]
    assert (record.levelno, record.exc_info is not None) == (level, level == logging.ERROR)
    assert str(failure) in caplog.text


@pytest.mark.parametrize("failure", [OSError("gone"), RuntimeError("Unexpected ASGI message 'websocket.send'")])
def test_a_browser_that_has_gone_is_no_news(
    broadcast: Broadcast, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    user = User.objects.create_superuser("root")

    async def scene() -> None:
        received = [{"type": "websocket.connect"}]
        refused = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if received:
                return received.pop()
            await refused.wait()
            return {"type": "websocket.disconnect", "code": 1006}

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                refused.set()
                raise failure
            assert message["type"] == "websocket.accept"

        scope = {"type": "websocket", "user": user, "url_route": {"kwargs": {"broadcast_id": broadcast.pk}}}
        application: Any = BroadcastConsumer.as_asgi()
        await application(scope, receive, send)
        assert refused.is_set()

    with caplog.at_level(logging.INFO, "vkteams_bot.live"):
        run(scene)
    assert not [record for record in caplog.records if record.name == "vkteams_bot.live"]


def test_the_page_reads_the_codes_that_are_sent() -> None:
    script = (Path(consumers.__file__).parents[1] / "static/vkteams_bot/admin/broadcast_progress.js").read_text()
    read = dict(re.findall(r"^const ([A-Z]+) = (4\d{3});", script, re.MULTILINE))
    assert read == {name: str(getattr(consumers, name)) for name in ("OVER", "DENIED", "GONE", "RENEW")}


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
        assert not [task for task in asyncio.all_tasks() if "the page of" in task.get_name()]

    run(scene)
