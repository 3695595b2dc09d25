"""What the process tests stand on: an emulator, a database that outlives the bot, and the bot."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from django.db import connections

from tests import databases, uvicorns
from tests.processes import Process, wait_until
from tests.settings import VKTEAMS_BOT
from vkteams_bot.emulator.faults import Faults, parse_short
from vkteams_bot.emulator.http import EmulatorApp
from vkteams_bot.emulator.server import EmulatorServer
from vkteams_bot.emulator.sockets import address, bind
from vkteams_bot.emulator.world import World
from vkteams_bot.models import BotAccount, Conversation, OutgoingCall, Update

TOKEN: str = VKTEAMS_BOT["BOTS"]["default"]["TOKEN"]
Start = Callable[..., Process]


class ControlApi:
    """What people do at an emulator, and what it saw; `url` is its origin."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.api_url = f"{url}/bot/v1"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def post(self, path: str, body: Any) -> dict[str, Any]:
        return self._ask(path, json.dumps(body).encode())

    def get(self, path: str) -> dict[str, Any]:
        return self._ask(path, None)

    def _ask(self, path: str, data: bytes | None) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self.url}/emulator/{path}", data, timeout=30) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read().decode()) from None

    def people(self, ids: Iterable[str]) -> None:
        self.post("users", [{"userId": user_id} for user_id in ids])

    def write(self, texts: Iterable[tuple[str, str]], token: str = TOKEN) -> None:
        """Messages of people to the bot: pairs of user id and text, in order."""
        self.post("messages", [{"chatId": who, "from": who, "text": text, "token": token} for who, text in texts])

    def events(self, *events: Any, raw: bool = False) -> None:
        self.post("events", {"events": list(events), "raw": raw})

    def faults(self, *faults: dict[str, Any]) -> None:
        """These and no others."""
        self.post("faults", list(faults))

    def sends_take(self, seconds: float) -> None:
        """From now on; what was asked before keeps its time."""
        self.faults({"kind": "latency", "method": "messages/sendText", "seconds": seconds})

    def hold_sends(self, seconds: float = 1.5) -> None:
        """From now on they take so long, less than a claim lasts; return when one is on its way, to kill its sender."""
        self.sends_take(seconds)
        asked = self.requests("messages/sendText")
        wait_until(lambda: self.requests("messages/sendText") > asked, 60, "a message is on its way")

    def said(self, chat_id: str, token: str = TOKEN) -> list[dict[str, Any]]:
        """What the bot wrote there."""
        bot_id = token.rpartition(":")[2]
        shown = self.get(f"messages?chatId={chat_id}&token={token}")["messages"]
        return [message for message in shown if message["from"]["userId"] == bot_id]

    def requests(self, method: str) -> int:
        counted: dict[str, int] = self.get("state")["requests"]
        return counted.get(method, 0)


class Emulator(ControlApi):
    """A Bot API server on a port of its own, in a thread of the tests.

    It is not what these tests are about: `manage.py botemulator` has its own, in `tests/emulator/test_command.py`.
    `faults` are written as that command takes them; the other options are those of `World`.
    """

    def __init__(self, *faults: str, tokens: Sequence[str] = (TOKEN,), port: int = 0, **options: Any) -> None:
        world = World(tokens, **options)
        listener = bind("127.0.0.1", port)
        world.base_url = address(listener)
        super().__init__(world.base_url)
        self._server = EmulatorServer(EmulatorApp(world, Faults([parse_short(fault) for fault in faults])))
        self._thread = threading.Thread(target=self._serve, args=[listener], name="emulator", daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, 60, "the emulator serves")

    def _serve(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            self._loop = runner.get_loop()
            runner.run(uvicorns.serve(self._server, listener))

    def kill(self) -> None:
        """Cut all connections unanswered and leave the port, as a server does that is killed."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._cut)
            self._thread.join(30)
        assert not self._thread.is_alive()

    def _cut(self) -> None:
        for server in self._server.servers:
            server.close()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        self._server.should_exit = self._server.force_exit = True


class Database:
    """A database of bot processes, seen from the tests through the ORM."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.alias = f"bench-{id(self)}"
        connections.databases[self.alias] = connections.configure_settings({"default": databases.parse(url)})["default"]

    def close(self) -> None:
        connections[self.alias].close()
        del connections[self.alias]
        del connections.databases[self.alias]

    def forget_connection(self) -> None:
        connections[self.alias].close()

    @property
    def updates(self) -> Any:
        return Update.objects.using(self.alias)

    @property
    def calls(self) -> Any:
        return OutgoingCall.objects.using(self.alias)

    @property
    def accounts(self) -> Any:
        return BotAccount.objects.using(self.alias)

    @property
    def conversations(self) -> Any:
        return Conversation.objects.using(self.alias)

    def statuses(self) -> Counter[str]:
        return Counter(self.updates.values_list("status", flat=True))

    def call_statuses(self) -> Counter[str]:
        return Counter(self.calls.values_list("status", flat=True))

    def done(self) -> int:
        count: int = self.updates.filter(status="done").count()
        return count

    def records(self, columns: str = "conversation, number") -> list[tuple[Any, ...]]:
        """Rows of the test bot's handlers, in the order in which they were written."""
        return self.query(f"SELECT {columns} FROM testbot_record ORDER BY id")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def wait_done(self, count: int, timeout: float = 60, bot: Process | None = None) -> None:
        """Until so many updates are done. A bot that ended meanwhile fails at once."""
        self._wait(lambda: self.done() >= count, timeout, f"{count} updates are done", bot)

    def wait_calls(self, count: int, timeout: float = 60, *, status: str = "sent") -> None:
        self._wait(lambda: self.call_statuses()[status] >= count, timeout, f"{count} calls are {status}")

    def wait_quiet(self, timeout: float = 60) -> None:
        """Until nothing waits or runs, and nothing is on its way out."""

        def quiet() -> bool:
            leaving = self.calls.filter(status__in=("queued", "sending"))
            return not self.updates.waiting().exists() and not leaving.exists()

        self._wait(quiet, timeout, "nothing waits")

    def _wait(self, ready: Callable[[], bool], timeout: float, what: str, bot: Process | None = None) -> None:
        def ready_or_dead() -> bool:
            return ready() or (bot is not None and bot.returncode is not None)

        try:
            wait_until(ready_or_dead, timeout, what)
            assert ready(), f"the bot ended before {what}\n{bot}"
        except AssertionError as error:
            counts = f"updates {self.statuses()}, calls {self.call_statuses()}"
            raise AssertionError(f"{error}: {counts}\n{bot or ''}") from None


class Bench:
    """An emulator and a database; `bot()` starts a runbot on them."""

    def __init__(self, manage: Start, database: Database, emulator: Emulator, flags: Path) -> None:
        self._manage = manage
        self.database = database
        self.emulator = emulator
        self.flags = flags

    def bot(self, *arguments: str, ready: bool = True, env: dict[str, str] | None = None, **settings: Any) -> Process:
        """`settings` are keys of VKTEAMS_BOT; `ready`: return when it polls."""
        process = self._manage("runbot", *arguments, env={**self.environment(**settings), **(env or {})})
        if ready:
            process.wait_for_line(r" runs at http")
        return process

    def environment(self, **settings: Any) -> dict[str, str]:
        return {
            "TEST_DATABASE_URL": self.database.url,
            "TEST_BOT_API_URL": self.emulator.api_url,
            "TEST_BOT_SETTINGS": json.dumps(settings),
            "TEST_BOT_APP": "1",
            "TEST_LOG_LEVEL": "INFO",
            "TESTBOT_FLAGS": os.fspath(self.flags),
            "TESTBOT_LEASE_SECONDS": "0.8",
        }


def assert_in_order(records: Iterable[tuple[str, int]], expected: dict[str, list[int]]) -> None:
    """Each conversation saw its numbers in order; one that was cut short may stand again, before the next."""
    seen: dict[str, list[int]] = {}
    for conversation, number in records:
        numbers = seen.setdefault(conversation, [])
        if not numbers or numbers[-1] != number:
            numbers.append(number)
    assert seen == expected


def assert_replies_are_honest(bench: Bench, chats: Iterable[str]) -> Counter[str]:
    """Every returned reply is a row; what stands as sent is in the chat once, the rest never more than once.

    Returns the statuses of the rows.
    """
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for chat_id, params, status, msg_id in bench.database.calls.values_list("chat_id", "params", "status", "msg_id"):
        rows.setdefault(chat_id, []).append((params["text"], status, msg_id))
    statuses: Counter[str] = Counter()
    for chat_id in chats:
        said = [(message["text"], message["msgId"]) for message in bench.emulator.said(chat_id)]
        arrived = dict(said)
        mine = rows.get(chat_id, [])
        assert len(arrived) == len(said), f"{chat_id} got a reply twice: {said}"
        assert len({text for text, _, _ in mine}) == len(mine), f"{chat_id} has two rows of one reply: {mine}"
        assert set(arrived) <= {text for text, _, _ in mine}, f"{chat_id} got a reply without a row"
        for text, status, msg_id in mine:
            statuses[status] += 1
            if status == "sent":
                assert arrived.get(text) == msg_id, f"{chat_id}: {text!r} stands as sent, the chat shows {said}"
            else:
                assert status == "unknown" or text not in arrived, f"{chat_id}: {text!r} arrived and stands as {status}"
    return statuses
