"""A post office: the default bot over a transport that does what it is told, and workers that run in the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from django.db import transaction

from vkteams_bot import bots, notify, worker
from vkteams_bot.api import Bot
from vkteams_bot.models import BotAccount, OutgoingCall
from vkteams_bot.worker import delivery
from vkteams_bot.worker.sender import sender

Answer = dict[str, Any] | Exception | httpx.Response


class Server(httpx.AsyncBaseTransport):
    """Answers as `answer(chat_id, text)` says; by default every message is taken."""

    def __init__(self) -> None:
        self.answer: Callable[[str, str], Answer] = lambda chat_id, text: {"ok": True, "msgId": f"m{text}"}
        self.received: list[tuple[str, str]] = []
        self.threads: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = {**parse_qs(request.url.query.decode()), **parse_qs((await request.aread()).decode())}
        chat_id, text = (params.get(name, [""])[0] for name in ("chatId", "text"))
        self.threads.add(threading.current_thread().name)
        answer = self.answer(chat_id, text)
        if isinstance(answer, httpx.Response):
            return answer
        self.received.append((chat_id, text))
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, content=json.dumps(answer))

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.received]


class Office:
    """Rows, the server they go to, and the messages that went to the broker."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.notices: list[notify.TaskMessage] = []

    @property
    def bot(self) -> Bot:
        return bots["default"]

    @property
    def account_id(self) -> int:
        return BotAccount.objects.order_by("pk").values_list("pk", flat=True)[0]

    def deliver(self, *, bulk: bool = False, seconds: float = 5.0) -> bool:
        return worker.deliver(self.account_id, bulk=bulk, seconds=seconds)

    def delay(self, *texts: str, chat_id: str | None = None, **options: Any) -> list[Any]:
        """Calls with these texts, each to a chat of its own unless told."""
        calls = [self.bot.send_text(chat_id or f"{text}@example.com", text) for text in texts]
        return list(self.bot.delay_many(calls, **options).ids)

    def statuses(self) -> list[str]:
        return list(OutgoingCall.objects.order_by("pk").values_list("status", flat=True))


@pytest.fixture
def office(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    server = Server()
    found = Office(server)
    bots.override("default", transport=server)
    monkeypatch.setattr(notify, "publish", found.notices.append)
    # Inside a test's transaction nothing is ever committed.
    monkeypatch.setattr(transaction, "on_commit", lambda message, **_: message())
    monkeypatch.setattr(delivery, "deliverers", delivery.Deliverers())
    yield found
    sender.close()
    bots.restore("default")
