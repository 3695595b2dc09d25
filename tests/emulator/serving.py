"""A served emulator for tests: a real uvicorn in a thread, a client over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import httpx

from tests import uvicorns
from tests.processes import wait_until
from vkteams_bot.emulator.faults import Faults
from vkteams_bot.emulator.http import EmulatorApp
from vkteams_bot.emulator.server import EmulatorServer
from vkteams_bot.emulator.sockets import address, bind
from vkteams_bot.emulator.world import DEFAULT_TOKEN, World

ALICE = "alice@example.com"
BOB = "bob@example.com"
BOT_ID = "1000000001"
TEAM = "1000@chat.agent"


class Client:
    """Calls methods as a bot and orders as the control API takes them."""

    def __init__(self, origin: str, token: str = DEFAULT_TOKEN) -> None:
        self.origin = origin
        self.token = token
        self.http = httpx.Client(base_url=origin, timeout=20, trust_env=False)

    def get(self, method: str, **params: Any) -> Any:
        return self.http.get(f"/bot/v1/{method}", params={"token": self.token, **params}).json()

    def post(self, method: str, **params: Any) -> Any:
        return self.http.post(f"/bot/v1/{method}", data={"token": self.token, **params}).json()

    def order(self, what: str, body: Any = None, status: int = 200) -> Any:
        response = self.http.post(f"/emulator/{what}", json=body)
        assert response.status_code == status, response.text
        return response.json()

    def ask(self, what: str, **params: Any) -> Any:
        response = self.http.get(f"/emulator/{what}", params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def write(self, text: str, chat_id: str = ALICE, sender: str = ALICE, **more: Any) -> str:
        msg_id: str = self.order("messages", {"chatId": chat_id, "from": sender, "text": text, **more})["msgId"]
        return msg_id

    def shown(self, chat_id: str = ALICE) -> list[Any]:
        messages: list[Any] = self.ask("messages", chatId=chat_id)["messages"]
        return messages

    def events(self, last_event_id: int = 0, poll_time: int = 0) -> list[Any]:
        answer = self.get("events/get", lastEventId=last_event_id, pollTime=poll_time)
        assert answer["ok"] is True, answer
        events: list[Any] = answer["events"]
        return events


@contextlib.contextmanager
def served(world: World | None = None, faults: Faults | None = None) -> Iterator[Client]:
    app = EmulatorApp(world or World(), faults)
    listener = bind("127.0.0.1", 0)
    server = EmulatorServer(app)
    thread = threading.Thread(target=lambda: asyncio.run(uvicorns.serve(server, listener)), daemon=True)
    client = Client(address(listener))
    thread.start()
    try:
        wait_until(lambda: server.started, 10, "the emulator serves")
        yield client
    finally:
        client.http.close()
        server.should_exit = True
        thread.join(10)
    assert not thread.is_alive()
