"""A site served over HTTP and websockets, an emulator, and a worker without a broker."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest
import uvicorn
from celery import current_app
from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.auth.models import User
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.db import connections
from playwright.sync_api import Page
from pytest_django import Settings

from tests import uvicorns
from tests.emulator import serving
from tests.processes import wait_until
from vkteams_bot import bots, notify
from vkteams_bot.emulator.sockets import address, bind
from vkteams_bot.emulator.world import DEFAULT_TOKEN, World
from vkteams_bot.live.routing import websocket_urlpatterns
from vkteams_bot.models import BotAccount, Contact
from vkteams_bot.worker import delivery
from vkteams_bot.worker.sender import sender

PASSWORD = "only for tests"
PEOPLE = [f"person{number}@example.com" for number in range(60)]


class Site:
    """The project in a thread; `sockets` says whether it speaks websockets."""

    def __init__(self, port: int, *, sockets: bool) -> None:
        http = ASGIStaticFilesHandler(get_asgi_application())
        routes: Any = {"http": http, "websocket": URLRouter(websocket_urlpatterns)}
        listener = bind("127.0.0.1", port)
        self.port: int = listener.getsockname()[1]
        self.url = address(listener)
        config = uvicorn.Config(
            ProtocolTypeRouter(routes),
            lifespan="off",
            log_config=None,
            ws="websockets-sansio" if sockets else "none",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(uvicorns.serve(self._server, listener)), daemon=True)

    def __enter__(self) -> Site:
        self._thread.start()
        wait_until(lambda: self._server.started, 10, "the site serves")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()


class Worker:
    """Runs the tasks that are published, one after the other, in a thread of its own."""

    def __init__(self) -> None:
        self.notices: SimpleQueue[notify.TaskMessage | None] = SimpleQueue()
        self.failures: list[Exception] = []
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.notices.put(None)
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert not self.failures

    def _work(self) -> None:
        try:
            while (notice := self.notices.get()) is not None:
                current_app.tasks[notice.task](*notice.args)
        except Exception as error:
            self.failures.append(error)
        finally:
            connections.close_all()


@pytest.fixture
def operator(transactional_db: None) -> User:
    """Somebody who may do everything, with a contact of their own."""
    user = User.objects.create_superuser("operator", "operator@example.com", PASSWORD)
    Contact.objects.create(
        user_id=serving.ALICE, first_name="Alice", django_user=user, created_at="2026-01-01T00:00:00Z"
    )
    return user


@pytest.fixture
def emulator(transactional_db: None, settings: Settings, tmp_path: Any) -> Iterator[serving.Client]:
    """What the default bot of this process talks to; it knows PEOPLE."""
    settings.MEDIA_ROOT = tmp_path
    world = World()
    for person in PEOPLE:
        world.add_user(person, person.partition("@")[0].title())
    with serving.served(world) as client:
        limit_rate(client, None)
        BotAccount.objects.create(alias="default", user_id=serving.BOT_ID, nick="news_bot")
        yield client
    sender.close()
    bots["default"].close()
    bots.restore("default")


def limit_rate(client: serving.Client, rate: float | None) -> None:
    """Requests per second of the default bot, which is made anew."""
    bots["default"].close()
    bots.override("default", token=DEFAULT_TOKEN, api_url=f"{client.origin}/bot/v1", rate_limit=rate, burst=1)


@pytest.fixture
def worker(emulator: serving.Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    worker = Worker()
    monkeypatch.setattr(notify, "publish", worker.notices.put)
    monkeypatch.setattr(delivery, "deliverers", delivery.Deliverers())
    with worker:
        yield worker


@pytest.fixture
def site(operator: User) -> Iterator[Site]:
    with served() as site:
        yield site


@contextlib.contextmanager
def served(*, port: int = 0, sockets: bool = True) -> Iterator[Site]:
    with Site(port, sockets=sockets) as site:
        yield site


@pytest.fixture
def scriptless(page: Page) -> Iterator[Page]:
    """A page of a browser that runs no scripts."""
    browser = page.context.browser
    assert browser is not None
    with browser.new_context(java_script_enabled=False) as context:
        yield context.new_page()
