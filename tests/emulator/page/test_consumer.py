"""The websocket: a person's doings reach the world, the world's changes reach the person."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from pytest_django import Settings

from tests.emulator.serving import ALICE, BOB, BOT_ID, TEAM
from vkteams_bot.emulator.page.consumer import LARGEST_FILE, WAITING_FRAMES, PlaygroundConsumer
from vkteams_bot.emulator.page.scope import BotCommand, with_world
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World

PNG = b"\x89PNG\r\n\x1a\n rest"


class Browser:
    """The page's side of one websocket."""

    # channels.testing would want daphne.

    def __init__(self, application: Any, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        scope = {"type": "websocket", "path": "/playground/ws", "headers": headers or []}
        self._socket = ApplicationCommunicator(application, scope)
        self._last_id = 0

    async def connect(self) -> bool:
        """Whether the server accepts."""
        await self._socket.send_input({"type": "websocket.connect"})
        answer = await self.output()
        return bool(answer["type"] == "websocket.accept")

    async def disconnect(self) -> None:
        await self._socket.send_input({"type": "websocket.disconnect", "code": 1001})
        await self._socket.wait()

    async def send(self, text: str) -> None:
        await self._socket.send_input({"type": "websocket.receive", "text": text})

    async def output(self) -> dict[str, Any]:
        output: dict[str, Any] = await self._socket.receive_output(5)
        return output

    async def silent(self) -> bool:
        return bool(await self._socket.receive_nothing())

    async def next(self) -> dict[str, Any]:
        output = await self.output()
        frame: dict[str, Any] = json.loads(output["text"])
        return frame

    async def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Send a request and return the next frame."""
        self._last_id += 1
        await self.send(json.dumps({"id": self._last_id, "do": operation, **parameters}))
        return await self.next()

    async def result(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """As `ask`; the frame is a good answer."""
        answer = await self.ask(operation, **parameters)
        assert answer == {"id": self._last_id, "ok": True, "result": answer.get("result")}
        result: dict[str, Any] = answer["result"]
        return result

    async def refusal(self, operation: str, **parameters: Any) -> str:
        answer = await self.ask(operation, **parameters)
        assert answer["ok"] is False
        error: str = answer["error"]
        return error


def bot_of(world: World) -> BotAccount:
    return next(iter(world.bots.values()))


def browse(test: Callable[[Browser, World], Awaitable[None]], *, user: str | None = ALICE) -> None:
    """Run a test on a connection that has been greeted and, unless `user` is None, has entered."""

    async def main() -> None:
        world = World()
        browser = Browser(PlaygroundConsumer.as_asgi(world=world))
        assert await browser.connect()
        assert (await browser.next())["event"] == "people"
        if user is not None:
            await browser.result("enter", user=user)
        await test(browser, world)
        await browser.disconnect()

    asyncio.run(main())


def test_the_greeting_names_people_bots_and_their_commands() -> None:
    async def main() -> None:
        world = World()
        application = with_world(PlaygroundConsumer.as_asgi(), world, {BOT_ID: [BotCommand("/start", "Begin")]})
        browser = Browser(application)
        await browser.connect()
        greeting = await browser.next()
        assert [user["userId"] for user in greeting["users"]] == [ALICE, BOB]
        assert greeting["bots"] == [
            {
                "userId": BOT_ID,
                "name": bot_of(world).name,
                "commands": [{"command": "/start", "description": "Begin"}],
            }
        ]
        await browser.disconnect()

    asyncio.run(main())


def test_entering_lists_chats_with_what_is_unread() -> None:
    async def test(browser: Browser, world: World) -> None:
        chat = world.directory.private(bot_of(world), ALICE)
        read = world.post(chat, bot_of(world).user, text="read").msg_id
        world.write(ALICE, BOT_ID, "mine")
        world.post(chat, bot_of(world).user, text="new")
        entered = await browser.result("enter", user=ALICE, read={BOT_ID: read})
        private, team = entered["chats"]
        assert (private["chatId"], private["type"], private["unread"]) == (BOT_ID, "private", 1)
        assert private["last"]["text"] == "new"
        assert (team["chatId"], team["type"], team["unread"], team["last"]) == (TEAM, "group", 0, None)
        assert {member["userId"] for member in team["members"]} == {ALICE, BOB, BOT_ID}

    browse(test, user=None)


@pytest.mark.parametrize("read", [None, "seven", {BOT_ID: "x"}, {BOT_ID: 5}])
def test_without_a_usable_mark_everything_of_others_is_unread(read: Any) -> None:
    async def test(browser: Browser, world: World) -> None:
        chat = world.directory.private(bot_of(world), ALICE)
        deleted = world.post(chat, bot_of(world).user, text="deleted")
        world.remove(chat, deleted)
        for _ in range(3):
            world.post(chat, bot_of(world).user, text="new")
        entered = await browser.result("enter", user=ALICE, read=read)
        assert entered["chats"][0]["unread"] == 3

    browse(test, user=None)


def test_history_comes_in_pages() -> None:
    async def test(browser: Browser, world: World) -> None:
        ids = [world.write(ALICE, BOT_ID, str(number)) for number in range(5)]
        for _ in ids:
            await browser.next()
        newest = await browser.result("history", chat=BOT_ID, limit=2)
        assert ([seen["msgId"] for seen in newest["messages"]], newest["more"]) == (ids[3:], True)
        older = await browser.result("history", chat=BOT_ID, before=ids[3], limit=3)
        assert ([seen["msgId"] for seen in older["messages"]], older["more"]) == (ids[:3], False)
        nothing = await browser.result("history", chat=BOT_ID, limit=0)
        assert (nothing["messages"], nothing["more"]) == ([], True)

    browse(test)


def test_a_written_message_reaches_the_bot_and_comes_back_before_the_answer() -> None:
    async def test(browser: Browser, world: World) -> None:
        event = await browser.ask("write", chat=BOT_ID, text="hello")
        answer = await browser.next()
        assert (event["event"], event["user"], event["chat"]) == ("message", ALICE, BOT_ID)
        assert event["message"]["text"] == "hello"
        assert answer["result"] == {"msgId": event["message"]["msgId"]}
        (delivered,) = bot_of(world).queue.take(0, 10)
        assert (delivered["type"], delivered["payload"]["text"]) == ("newMessage", "hello")

    browse(test)


def test_a_reply_quotes() -> None:
    async def test(browser: Browser, world: World) -> None:
        first = world.write(ALICE, BOT_ID, "one")
        await browser.next()
        event = await browser.ask("write", chat=BOT_ID, text="two", replyTo=first)
        (part,) = event["message"]["parts"]
        assert (part["type"], part["payload"]["message"]["msgId"]) == ("reply", first)

    browse(test)


def test_a_file_is_stored_and_shown_with_its_caption() -> None:
    async def test(browser: Browser, world: World) -> None:
        file = {"name": "cat.png", "content": base64.b64encode(PNG).decode()}
        event = await browser.ask("write", chat=BOT_ID, text="my cat", file=file)
        (part,) = event["message"]["parts"]
        file_id = part["payload"]["fileId"]
        assert part["payload"]["caption"] == "my cat"
        assert world.files.find(file_id).content == PNG
        assert event["message"]["files"] == {
            file_id: {
                "name": "cat.png",
                "size": len(PNG),
                "type": "image",
                "url": f"files/{file_id}",
                "shown": True,
            }
        }

    browse(test)


@pytest.mark.parametrize(
    "file",
    [
        "cat.png",
        {"name": "cat.png"},
        {"content": ""},
        {"name": "cat.png", "content": ""},
        {"name": "cat.png", "content": "no base64!"},
        {"name": "cat.png", "content": base64.b64encode(bytes(LARGEST_FILE + 1)).decode()},
    ],
    ids=["text", "no content", "no name", "empty", "not base64", "too large"],
)
def test_a_file_that_is_none_is_refused(file: Any) -> None:
    async def test(browser: Browser, world: World) -> None:
        assert await browser.refusal("write", chat=BOT_ID, text="", file=file)
        assert world.history(ALICE, BOT_ID) == []

    browse(test)


def test_files_inside_a_quote_are_known_and_lost_ones_are_empty() -> None:
    async def test(browser: Browser, world: World) -> None:
        stored = world.files.add("note.txt", b"text")
        first = world.write(
            ALICE, BOT_ID, "", parts=[stored.part(), {"type": "sticker", "payload": {"fileId": "2gone"}}]
        )
        await browser.next()
        event = await browser.ask("write", chat=BOT_ID, text="see", replyTo=first)
        files = event["message"]["files"]
        assert files[stored.file_id]["name"] == "note.txt"
        assert files[stored.file_id]["shown"] is False
        assert files["2gone"] == {}

    browse(test)


def test_editing_and_deleting_ones_own() -> None:
    async def test(browser: Browser, world: World) -> None:
        kept = world.write(ALICE, BOT_ID, "kept")
        mine = world.write(ALICE, BOT_ID, "mine")
        await browser.next()
        await browser.next()
        edited = await browser.ask("edit", chat=BOT_ID, msgId=mine, text="better")
        assert (edited["event"], edited["message"]["text"]) == ("edited", "better")
        assert edited["message"]["editedTimestamp"]
        assert (await browser.next())["ok"] is True
        deleted = await browser.ask("delete", chat=BOT_ID, msgId=mine)
        assert (deleted["event"], deleted["msgId"], deleted["last"]["msgId"]) == ("deleted", mine, kept)
        assert (await browser.next())["ok"] is True

    browse(test)


@pytest.mark.parametrize("show_alert", [False, True])
def test_a_press_is_answered_to_the_presser(show_alert: bool) -> None:
    async def test(browser: Browser, world: World) -> None:
        bot = bot_of(world)
        chat = world.directory.private(bot, ALICE)
        message = world.post(chat, bot.user, text="?", keyboard=[[{"text": "Yes", "callbackData": "yes"}]])
        seen = await browser.next()
        assert seen["message"]["inlineKeyboardMarkup"] == [[{"text": "Yes", "callbackData": "yes"}]]
        pressed = await browser.result("press", chat=BOT_ID, msgId=message.msg_id, data="yes")
        query = world.queries.find(bot, pressed["queryId"])
        world.answer_query(query, {"text": "Done", "showAlert": show_alert, "url": ""})
        answer = await browser.next()
        assert answer == {
            "event": "answer",
            "user": ALICE,
            "chat": BOT_ID,
            "queryId": pressed["queryId"],
            "botName": bot.name,
            "text": "Done",
            "showAlert": show_alert,
            "url": None,
        }

    browse(test)


@pytest.mark.parametrize(
    ("actions", "shown"), [(["typing"], "typing"), (["looking"], "looking"), ([], None), (["dancing"], None)]
)
def test_what_the_bot_is_doing_is_told(actions: list[str], shown: str | None) -> None:
    async def test(browser: Browser, world: World) -> None:
        bot = bot_of(world)
        world.act(world.directory.private(bot, ALICE), bot.user, actions)
        event = await browser.next()
        assert (event["event"], event["from"], event["action"]) == ("action", BOT_ID, shown)

    browse(test)


def test_others_private_chats_stay_private_and_groups_are_shared() -> None:
    async def test(browser: Browser, world: World) -> None:
        world.write(BOB, BOT_ID, "a secret")
        world.write(BOB, TEAM, "for all")
        event = await browser.next()
        assert (event["chat"], event["message"]["text"]) == (TEAM, "for all")

    browse(test)


def test_before_entering_nothing_is_told_and_nothing_can_be_done() -> None:
    async def test(browser: Browser, world: World) -> None:
        world.write(ALICE, BOT_ID, "unseen")
        assert await browser.refusal("history", chat=BOT_ID) == "enter first"

    browse(test, user=None)


def test_one_connection_can_become_somebody_else() -> None:
    async def test(browser: Browser, world: World) -> None:
        await browser.result("enter", user=BOB)
        world.write(ALICE, BOT_ID, "not for Bob")
        event = await browser.ask("write", chat=TEAM, text="Bob here")
        assert (event["user"], event["message"]["from"]["userId"]) == (BOB, BOB)

    browse(test)


def test_events_that_wait_for_the_bot_are_counted() -> None:
    async def test(browser: Browser, world: World) -> None:
        assert await browser.result("pending", chat=BOT_ID) == {"pending": 0}
        world.write(ALICE, BOT_ID, "are you there?")
        await browser.next()
        assert await browser.result("pending", chat=BOT_ID) == {"pending": 1}
        bot_of(world).queue.take(0, 10)
        assert await browser.result("pending", chat=BOT_ID) == {"pending": 0}
        assert await browser.result("pending", chat="elsewhere") == {"pending": 0}

    browse(test)


def test_a_new_person_gets_an_id_of_their_own_and_everybody_hears_of_it() -> None:
    async def test(browser: Browser, world: World) -> None:
        ids = []
        for first_name, last_name in ((" Zoë ", ""), ("Zoë", "Two"), ("Мария", "")):
            people = await browser.ask("addUser", firstName=first_name, lastName=last_name)
            ids.append((await browser.next())["result"]["userId"])
            name = f"{first_name.strip()} {last_name}".strip()
            assert {"userId": ids[-1], "name": name} in people["users"]
        assert len({*ids, ALICE, BOB}) == len(world.users) == 5

    browse(test)


def test_a_reset_and_a_new_chat_ask_the_page_to_look_anew() -> None:
    async def test(browser: Browser, world: World) -> None:
        world.create_chat("group", "New", [ALICE])
        assert (await browser.next())["event"] == "people"
        world.add_user("late@example.com", "Late")
        world.reset()
        people = await browser.next()
        assert people["event"] == "people"
        assert [user["userId"] for user in people["users"]] == [ALICE, BOB]
        assert await browser.silent()

    browse(test)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("dance", {}),
        (["write"], {}),
        ("enter", {"user": "nobody"}),
        ("enter", {}),
        ("history", {"chat": "nowhere"}),
        ("history", {"chat": BOT_ID, "limit": "many"}),
        ("history", {"chat": BOT_ID, "before": []}),
        ("write", {"chat": BOT_ID, "text": ""}),
        ("write", {"chat": BOT_ID, "text": 5}),
        ("write", {"chat": BOT_ID, "text": "x", "replyTo": "1"}),
        ("write", {"chat": BOT_ID, "text": "x", "replyTo": 1}),
        ("edit", {"chat": BOT_ID, "msgId": "1", "text": "x"}),
        ("delete", {"chat": BOT_ID, "msgId": "1"}),
        ("press", {"chat": BOT_ID, "msgId": "1", "data": "x"}),
        ("addUser", {"firstName": " ", "lastName": ""}),
    ],
)
def test_what_cannot_be_done_is_refused_and_the_connection_goes_on(operation: Any, parameters: dict[str, Any]) -> None:
    async def test(browser: Browser, world: World) -> None:
        assert await browser.refusal(operation, **parameters)
        assert (await browser.result("history", chat=BOT_ID))["messages"] == []

    browse(test)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"id": "1", "do": "enter"}'])
def test_a_frame_that_is_no_request_ends_the_connection(text: str) -> None:
    async def test(browser: Browser, world: World) -> None:
        await browser.send(text)
        assert await browser.output() == {"type": "websocket.close", "code": 4400}

    browse(test)


@pytest.mark.parametrize(
    ("origin", "host", "accepted"),
    [
        (None, b"localhost:8000", True),
        (b"http://localhost:8000", b"localhost:8000", True),
        (b"http://localhost:9000", b"localhost:8000", False),
        (b"https://evil.example", b"localhost:8000", False),
        (b"null", b"localhost:8000", False),
        # The name resolves to this machine, but is none of ours.
        (b"http://evil.example:8000", b"evil.example:8000", False),
    ],
)
def test_pages_of_other_sites_are_turned_away(
    origin: bytes | None, host: bytes, accepted: bool, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]

    async def main() -> None:
        world = World()
        headers = [(b"host", host)] + ([(b"origin", origin)] if origin is not None else [])
        browser = Browser(PlaygroundConsumer.as_asgi(world=world), headers)
        assert await browser.connect() is accepted
        if accepted:
            await browser.disconnect()

    asyncio.run(main())


def test_a_connection_that_ends_listens_no_longer() -> None:
    listeners: list[Any] = []

    async def main() -> None:
        world = World()
        listen = world.listen

        def counted(callback: Any) -> Any:
            listeners.append(callback)
            unsubscribe = listen(callback)

            def stop() -> None:
                listeners.remove(callback)
                unsubscribe()

            return stop

        world.listen = counted  # type: ignore[method-assign]
        browser = Browser(PlaygroundConsumer.as_asgi(world=world))
        await browser.connect()
        await browser.next()
        assert len(listeners) == 1
        await browser.disconnect()
        assert listeners == []

    asyncio.run(main())


def test_a_browser_that_cannot_keep_up_is_told_to_look_anew() -> None:
    async def test(browser: Browser, world: World) -> None:
        # All in one turn of the loop: nothing leaves meanwhile.
        for number in range(WAITING_FRAMES + 50):
            world.write(ALICE, BOT_ID, str(number))
        frames = [await browser.next() for _ in range(WAITING_FRAMES + 1)]
        assert [frame["event"] for frame in frames] == ["message"] * WAITING_FRAMES + ["people"]
        assert await browser.silent()
        history = await browser.result("history", chat=BOT_ID, limit=1)
        assert history["messages"][0]["text"] == str(WAITING_FRAMES + 49)

    browse(test)
