"""Clients that others wrote talk to the emulator as to a server: as real processes, over real sockets."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.packages import ASYNC_BOT, MAILRU, SDK, VKWORKSPACE, installed
from tests.conftest import need
from tests.emulator.serving import ALICE, Client, served
from tests.processes import Process, wait_until

pytestmark = [pytest.mark.clients, pytest.mark.timeout(400)]

SCRIPTS = Path(__file__).parent / "scripts"
BOTS = [
    (SDK, "official_bot.py"),
    (MAILRU, "official_bot.py"),
    (VKWORKSPACE, "vkworkspace_bot.py"),
    (ASYNC_BOT, "async_bot.py"),
]
KEYBOARD = [
    [
        {"text": "Yes", "callbackData": "yes", "style": "primary"},
        {"text": "Site", "url": "https://example.com/", "style": "base"},
    ]
]


@pytest.fixture
def emulator() -> Iterator[Client]:
    with served() as client:
        yield client


@pytest.fixture(params=BOTS, ids=lambda param: param[0].name)
def bot(
    request: pytest.FixtureRequest, emulator: Client, start: Callable[..., Process], pytestconfig: pytest.Config
) -> Iterator[Process]:
    """The bot of one client, which polls."""
    package, script = request.param
    cache = pytestconfig.cache
    assert cache is not None
    place = need(lambda: installed(package, cache.mkdir("clients")))
    command = (sys.executable, SCRIPTS / script, f"{emulator.origin}/bot/v1", emulator.token)
    process = start(*command, env={"PYTHONPATH": str(place), "NO_PROXY": "*"})
    process.wait_for_line("^polling as test_bot$")
    wait_until(lambda: emulator.ask("state")["requests"].get("events/get", 0) > 0, 30, "it polls")
    yield process
    process.kill()  # some go on until their long poll ends


def test_a_conversation(bot: Process, emulator: Client) -> None:
    emulator.write("start")
    asked_id = bot.wait_for_line(r"^sent (\d+)$")[1]
    asked = emulator.shown()[-1]
    assert (asked["msgId"], asked["text"]) == (asked_id, "Choose")
    assert asked["format"] == {"bold": [{"offset": 0, "length": 6}]}
    assert asked["inlineKeyboardMarkup"] == KEYBOARD

    press = {"chatId": ALICE, "from": ALICE, "msgId": asked_id, "callbackData": "yes"}
    query_id = emulator.order("callbacks", press)["queryId"]
    uploaded_id = bot.wait_for_line(r"^uploaded (\d+)$")[1]
    (answer,) = emulator.ask("state")["callbackAnswers"]
    assert (answer["queryId"], answer["text"], answer["showAlert"]) == (query_id, "Thanks", False)
    _, edited, sent = emulator.shown()
    assert (edited["msgId"], edited["text"]) == (asked_id, "You chose yes")
    assert "inlineKeyboardMarkup" not in edited
    (part,) = sent["parts"]
    file_id = part["payload"]["fileId"]
    assert (sent["msgId"], part) == (
        uploaded_id,
        {"type": "file", "payload": {"fileId": file_id, "caption": "For you"}},
    )
    assert emulator.http.get(f"/files/get/{file_id}").content == b"report of the bot"
    assert emulator.get("files/getInfo", fileId=file_id)["filename"] == "report.txt"

    mine = emulator.http.post("/emulator/files", files={"file": ("mine.txt", b"what Alice wrote")}).json()["fileId"]
    msg_id = emulator.write("", parts=[{"type": "file", "payload": {"fileId": mine}}])
    assert bot.wait_for_line(r"^downloaded (.*)$")[1] == "what Alice wrote"
    thanks = emulator.shown()[-1]
    assert thanks["text"] == "mine.txt: what Alice wrote"
    assert thanks["parts"][0]["payload"]["message"]["msgId"] == msg_id
    wait_until(lambda: emulator.ask("state")["unacknowledged"] == 0, 30, "it acknowledges the last event")
