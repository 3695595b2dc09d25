"""The HTTP face, over a real uvicorn."""

import asyncio
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.emulator.serving import ALICE, BOT_ID, TEAM, served
from tests.processes import wait_until
from vkteams_bot.api import Bot, ParseMode
from vkteams_bot.api.methods import GetEvents
from vkteams_bot.emulator.behaviour import Behaviour
from vkteams_bot.emulator.endpoints.events import get_events
from vkteams_bot.emulator.http import EmulatorApp
from vkteams_bot.emulator.multipart import MalformedBody, parse_multipart
from vkteams_bot.emulator.request import LONGEST_BODY
from vkteams_bot.emulator.world import DEFAULT_TOKEN, World

SEND = "/bot/v1/messages/sendText"


def test_query_and_body_are_merged(emulator):
    token = {"token": emulator.token}
    params = {"chatId": ALICE, "text": "hi"}
    http = emulator.http

    assert http.get(SEND, params=token | params).json()["ok"]
    assert http.post(SEND, params=token | params).json()["ok"]
    assert http.post(SEND, data=token | params).json()["ok"]
    assert http.post(SEND, params=token, data=params).json()["ok"]
    assert http.post(SEND, params={"chatId": ALICE}, data=token, files={"text": (None, "hi")}).json()["ok"]
    assert [message["text"] for message in emulator.shown()] == ["hi"] * 5


def test_json_bodies_are_not_read(emulator):
    answer = emulator.http.post(SEND, json={"token": emulator.token, "chatId": ALICE, "text": "hi"})

    assert (answer.status_code, answer.json()["description"]) == (200, "Missing required parameter 'token'")


def test_empty_values_are_absent_and_unknown_parameters_ignored(emulator):
    empty = {
        "request-id": "",
        "replyMsgId": "",
        "forwardMsgId": "",
        "inlineKeyboardMarkup": "",
        "parseMode": "",
        "x": "y",
    }

    assert emulator.get("messages/sendText", chatId=ALICE, text="hi", **empty)["ok"]


def test_any_text_arrives(emulator):
    text = "Привет 😀 & = + % \n\t'\""
    emulator.get("messages/sendText", chatId=ALICE, text=text)
    emulator.post("messages/sendText", chatId=ALICE, text=text)

    assert [message["text"] for message in emulator.shown()] == [text, text]


def test_answers_are_json(emulator):
    response = emulator.http.get("/bot/v1/self/get", params={"token": emulator.token})

    assert response.headers["content-type"] == "application/json;charset=utf-8"


def test_other_http_methods_and_paths(emulator):
    assert emulator.http.put(SEND).status_code == 405
    assert emulator.http.get("/nothing").status_code == 404
    assert "/bot/v1/" in emulator.http.get("/").text
    assert emulator.http.post("/files/get/x").status_code == 405


def test_a_body_beyond_the_limit_is_413_and_the_server_lives(emulator):
    chunk = bytes(1024 * 1024)
    body = (chunk for _ in range(LONGEST_BODY // len(chunk) + 1))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    assert emulator.http.post(SEND, content=body, headers=headers).status_code == 413
    assert emulator.get("self/get")["ok"]


def test_a_query_beyond_the_limit_is_414(emulator):
    host, port = urlsplit(emulator.origin).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"GET %s?text=%s HTTP/1.1\r\nHost: x\r\n\r\n" % (SEND.encode(), b"x" * 62_000))
        assert client.recv(100).startswith(b"HTTP/1.1 414 ")


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=other"])
def test_a_broken_multipart_body_is_a_bad_request(emulator, content_type):
    response = emulator.http.post(SEND, content=b"--x\r\n", headers={"Content-Type": content_type})

    assert response.json() == {"ok": False, "description": "Bad request"}


def poll_in_thread(emulator, poll_time=30):
    answers = []

    def poll():
        with httpx.Client(timeout=60, trust_env=False) as http:
            params = {"token": emulator.token, "lastEventId": 0, "pollTime": poll_time}
            answers.append(http.get(f"{emulator.origin}/bot/v1/events/get", params=params).json())

    thread = threading.Thread(target=poll)
    thread.start()
    return thread, answers


def test_a_long_poll_wakes_at_once(emulator):
    thread, answers = poll_in_thread(emulator)
    time.sleep(0.3)
    assert answers == []
    began = time.monotonic()
    emulator.write("hi")
    thread.join(10)

    assert time.monotonic() - began < 2
    assert answers[0]["ok"] is True
    assert [event["payload"]["text"] for event in answers[0]["events"]] == ["hi"]


def test_a_long_poll_ends_with_its_time(emulator):
    began = time.monotonic()

    assert emulator.get("events/get", lastEventId=0, pollTime=1) == {"events": [], "ok": True}
    assert time.monotonic() - began >= 0.9


def test_two_pollers_get_the_same_event(emulator):
    polls = [poll_in_thread(emulator) for _ in range(2)]
    time.sleep(0.3)
    emulator.write("hi")
    for thread, _ in polls:
        thread.join(10)

    assert polls[0][1] == polls[1][1] != []


def wait_for_polls(emulator, count):
    """Until so many were begun; by the time that another request was answered, they wait."""
    wait_until(lambda: emulator.ask("state")["requests"].get("events/get") == count, 10, "they poll")


def test_of_two_pollers_the_older_may_get_the_event_and_the_other_the_next(emulator):
    emulator.order("behaviour", {"pollers": "split"})
    older, its_answers = poll_in_thread(emulator)
    wait_for_polls(emulator, 1)
    newer, other_answers = poll_in_thread(emulator)
    wait_for_polls(emulator, 2)

    emulator.write("one")
    older.join(10)
    emulator.write("two")
    newer.join(10)
    assert [event["payload"]["text"] for event in its_answers[0]["events"]] == ["one"]
    assert [event["payload"]["text"] for event in other_answers[0]["events"]] == ["two"]
    assert [event["payload"]["text"] for event in emulator.events()] == ["one", "two"], "nothing was acknowledged"


def test_of_two_pollers_the_older_may_be_ended(emulator):
    emulator.order("behaviour", {"pollers": "newest"})
    older, its_answers = poll_in_thread(emulator)
    wait_for_polls(emulator, 1)
    newer, other_answers = poll_in_thread(emulator)
    older.join(10)
    assert its_answers == [{"events": [], "ok": True}]
    assert other_answers == []
    emulator.write("hi")
    newer.join(10)
    assert len(other_answers[0]["events"]) == 1


@pytest.mark.parametrize(("end", "status"), [("empty", 200), ("504", 504)])
def test_a_poll_that_is_too_long_ends_early(emulator, end, status):
    emulator.order("behaviour", {"longest_poll": 0.1, "long_poll_end": end})
    params = {"token": emulator.token, "lastEventId": 0}
    answer = emulator.http.get("/bot/v1/events/get", params={**params, "pollTime": 60})
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"events": [], "ok": True}
    emulator.write("hi")
    answer = emulator.http.get("/bot/v1/events/get", params={**params, "pollTime": 60})
    assert len(answer.json()["events"]) == 1


def test_an_event_between_the_look_and_the_wait_is_not_overslept():
    world = World()
    poll = get_events(world, world.bots[DEFAULT_TOKEN], GetEvents(poll_time=60))
    assert not isinstance(poll, dict)
    world.write(ALICE, BOT_ID, "hi")

    answer = asyncio.run(asyncio.wait_for(poll, 10))
    assert len(answer["events"]) == 1


@pytest.mark.parametrize(("how", "ok"), [("immediate", True), ("refuse", False)])
def test_a_negative_poll_time(emulator, how, ok):
    emulator.order("behaviour", {"negative_poll": how})
    assert emulator.get("events/get", lastEventId=0, pollTime=-1)["ok"] is ok


def test_what_zero_returns_and_what_a_strange_id_does(emulator):
    emulator.order("behaviour", {"zero_returns": "kept", "beyond_newest": "ignore"})
    for text in "ab":
        emulator.write(text)
    batch = emulator.events()
    newest = batch[-1]["eventId"]

    assert emulator.events(newest + 1000) == batch
    assert emulator.events(newest) == []
    assert emulator.events(newest - 1) == []
    assert emulator.events(0) == batch


def test_old_events_may_be_gone(emulator):
    for text in "abc":
        emulator.write(text)
    emulator.order("behaviour", {"keep_events": 2})
    assert [event["payload"]["text"] for event in emulator.events()] == ["b", "c"]


def test_events_may_be_gone_after_a_time():
    now = [1700000000.0]
    with served(World(behaviour=Behaviour(keep_seconds=60), clock=lambda: now[0])) as emulator:
        emulator.write("old")
        now[0] += 61
        emulator.write("new")
        assert [event["payload"]["text"] for event in emulator.events()] == ["new"]


def test_events_are_acknowledged_and_given_again(emulator):
    for text in "abc":
        emulator.write(text)
    first, second, third = emulator.events()

    assert second["eventId"] == first["eventId"] + 1
    assert emulator.events() == [first, second, third]
    assert emulator.events(first["eventId"]) == [second, third]
    assert emulator.events(0) == [second, third]
    assert emulator.ask("state")["unacknowledged"] == 2


def test_the_switch_for_stateless_acknowledgement(emulator):
    emulator.order("behaviour", {"acknowledge": "stateless"})
    for text in "ab":
        emulator.write(text)
    batch = emulator.events()
    emulator.events(batch[-1]["eventId"])

    assert emulator.events(0) == batch


def test_a_batch_is_capped():
    with served(World(behaviour=Behaviour(batch_limit=3))) as emulator:
        emulator.order("messages", [{"chatId": ALICE, "from": ALICE, "text": str(number)} for number in range(5)])
        batch = emulator.events()
        rest = emulator.events(batch[-1]["eventId"])

    assert [event["payload"]["text"] for event in batch + rest] == list("01234")
    assert len(batch) == 3


def test_a_poll_ends_when_its_client_goes_away():
    world = World()
    queue = world.bots[DEFAULT_TOKEN].queue
    with served(world) as emulator:
        host, port = urlsplit(emulator.origin).netloc.split(":")
        with socket.create_connection((host, int(port))) as client:
            query = f"token={emulator.token}&lastEventId=0&pollTime=60"
            client.sendall(f"GET /bot/v1/events/get?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            deadline = time.monotonic() + 5
            while not queue._waiting and time.monotonic() < deadline:
                time.sleep(0.01)
            assert queue._waiting
        while queue._waiting and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not queue._waiting


def test_stopping_ends_open_polls_at_once():
    with served() as emulator:
        thread, answers = poll_in_thread(emulator, poll_time=60)
        time.sleep(0.3)
        began = time.monotonic()
    thread.join(5)

    assert answers == [{"events": [], "ok": True}]
    assert time.monotonic() - began < 3


def test_our_own_client_talks_to_it(emulator):
    async def main():
        async with Bot(emulator.token, f"{emulator.origin}/bot/v1") as bot:
            me = await bot.get_me()
            sent = await bot.send_text(TEAM, "<b>hi</b>", parse_mode=ParseMode.HTML)
            await sent.edit_text("ho")
            emulator.write("answer", chat_id=TEAM)
            events = await bot.get_events(poll_time=5)
            return me, sent, events

    me, sent, events = asyncio.run(main())

    assert me.nick == "test_bot"
    assert [message["text"] for message in emulator.shown(TEAM)] == ["ho", "answer"]
    assert emulator.shown(TEAM)[0]["msgId"] == sent.msg_id
    assert [event.payload.text for event in events] == ["answer"]


def test_it_is_mountable_under_a_prefix():
    world = World()
    app = EmulatorApp(world)
    transport = httpx.ASGITransport(app, root_path="/here")

    async def main():
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as http:
            return (await http.get(f"/here/bot/v1/self/get?token={DEFAULT_TOKEN}")).json()

    assert asyncio.run(main())["ok"] is True


@pytest.mark.parametrize(
    ("path", "handled"), [("/bot/v1/self/get", True), ("/emulator/state", True), ("/files/get/x", True), ("/", False)]
)
def test_what_it_handles_beside_another_application(path, handled):
    assert EmulatorApp.handles(path) is handled


def test_lifespan_and_websocket():
    app = EmulatorApp(World())

    async def run(scope, messages):
        inbox, sent = iter(messages), []

        async def receive():
            return next(inbox)

        async def send(message):
            sent.append(message["type"])

        await app(scope, receive, send)
        return sent

    started = asyncio.run(run({"type": "lifespan"}, [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]))
    assert started == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert app.world.closed
    assert asyncio.run(run({"type": "websocket"}, [{"type": "websocket.connect"}])) == ["websocket.close"]


def multipart(*parts):
    return b"".join(b"--B\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts) + b"--B--\r\n"


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        (b'form-data; name="file"; filename="a.txt"', "file", "a.txt"),
        (b"form-data; name=file; filename=a.txt", "file", "a.txt"),
        ('form-data; name="file"; filename="ф.txt"'.encode(), "file", "ф.txt"),
        (b"form-data; name=\"file\"; filename*=UTF-8''%D1%84.txt", "file", "ф.txt"),
        (b'form-data; name="file"; filename="a\\"b.txt"', "file", 'a"b.txt'),
        (b'form-data; name="file"; filename="a%22b.txt"', "file", 'a"b.txt'),
        (b'form-data; name="file"; filename="C:\\dir\\a.txt"', "file", "C:\\dir\\a.txt"),
        (b'form-data; name="file"; filename=""', "file", ""),
    ],
)
def test_names_of_uploads(disposition, name, filename):
    body = multipart((b"content-type: x\r\nContent-Disposition: " + disposition, b"\r\ncontent--B\r\n"))

    fields, (upload,) = parse_multipart("multipart/form-data; boundary=B", body)

    assert fields == []
    assert (upload.name, upload.filename, upload.content) == (name, filename, b"\r\ncontent--B\r\n")


@pytest.mark.parametrize("body", [b"", b"--B\r\n\r\n", multipart((b"X: y", b"")), multipart((b"", b""))[:-4]])
def test_malformed_multipart(body):
    with pytest.raises(MalformedBody):
        parse_multipart('multipart/form-data; boundary="B"', body)
