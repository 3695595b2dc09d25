"""`manage.py botemulator` as a process."""

import contextlib
import signal
import threading
import time

import httpx
import pytest

from tests.emulator.serving import Client
from tests.processes import free_port, wait_until
from vkteams_bot.emulator.world import DEFAULT_TOKEN

pytestmark = pytest.mark.process
WITH_DEBUG = {"DJANGO_SETTINGS_MODULE": "tests.emulator.debug_settings"}


@pytest.fixture
def emulate(manage):
    """Start the command; returns the process and a client."""
    clients = contextlib.ExitStack()

    def emulate(*args):
        process = manage("botemulator", "--port", "0", "--force", *args)
        origin = process.wait_for_line(r"^URL: (http://127\.0\.0\.1:\d+)/bot/v1$").group(1)
        token = process.wait_for_line(r"^TOKEN: (.+)$").group(1)
        client = Client(origin, token)
        clients.callback(client.http.close)
        return process, client

    with clients:
        yield emulate


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops_quickly_with_an_open_poll(emulate, signum):
    process, client = emulate()
    assert client.token == DEFAULT_TOKEN
    assert client.get("self/get")["ok"] is True
    answers = []
    params = {"token": client.token, "lastEventId": 0, "pollTime": 60}
    thread = threading.Thread(
        target=lambda: answers.append(
            httpx.get(f"{client.origin}/bot/v1/events/get", params=params, timeout=60, trust_env=False).json()
        )
    )
    thread.start()
    wait_until(lambda: "events/get" in client.ask("state")["requests"], 10, "the poll is open")
    process.send(signum)

    # Far less than the poll would last.
    assert process.wait(20) == 0
    thread.join(20)
    assert answers == [{"events": [], "ok": True}]
    assert "Traceback" not in process.output


def test_options(emulate):
    process, client = emulate(
        "--token", "a:1", "--token", "b:2", "--latency", "200ms", "--fault", "502@self/get",
        "--switch", "ghost_twin=false", "--quiet",
    )  # fmt: skip

    assert client.http.get("/bot/v1/self/get").status_code == 502
    began = time.monotonic()
    assert client.get("chats/getInfo", chatId="1")["ok"] is True
    assert time.monotonic() - began >= 0.19
    assert client.ask("behaviour")["behaviour"]["ghost_twin"] is False
    lines = process.output.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["URL", "TOKEN", "TOKEN"]


def test_it_tells_how_to_write_to_the_bot(emulate):
    process, _ = emulate()

    assert "/emulator/messages" in process.wait_for_line("curl").string


@pytest.mark.parametrize(
    ("args", "env", "problem"),
    [
        ([], {}, r"DEBUG is False here. If you mean it, add --force"),
        (["--host", "0.0.0.0"], WITH_DEBUG, r"--host 127\.0\.0\.1, or add --force"),
        (["--force", "--fault", "flood"], {}, "flood"),
        (["--force", "--latency", "soon"], {}, "30ms or 2s"),
        (["--force", "--switch", "ghost=1"], {}, "ghost"),
        (["--force", "--token", "a:1", "--token", "b:1"], {}, "two tokens"),
        (["--force", "--host", "203.0.113.1"], {}, "cannot listen on 203.0.113.1"),
    ],
)  # fmt: skip
def test_it_refuses_and_names_the_remedy(manage, args, env, problem):
    process = manage("botemulator", "--port", "0", *args, env=env)

    process.wait_for_line(problem)
    assert process.wait(10) == 1
    assert "URL:" not in process.output
    assert "Traceback" not in process.output


def test_debug_settings_need_no_force(manage):
    process = manage("botemulator", "--port", "0", env=WITH_DEBUG)

    process.wait_for_line("^URL: ")


def test_a_port_that_is_taken(emulate, manage):
    _, client = emulate()
    port = client.origin.rpartition(":")[2]

    process = manage("botemulator", "--port", port, "--force")

    process.wait_for_line("Try another --port")
    assert process.wait(10) == 1


def test_the_port_that_was_asked_for(manage):
    port = free_port()
    process = manage("botemulator", "--port", str(port), "--force")

    process.wait_for_line(f"^URL: http://127.0.0.1:{port}/bot/v1$")


def test_it_needs_no_database(manage):
    process = manage(
        "botemulator", "--port", "0", "--force", env={"TEST_DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    )

    process.wait_for_line("^URL: ")
    assert process.returncode is None
