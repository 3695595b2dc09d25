"""The websocket of the playground page. One connection is one person at a time.

The page asks `{"id": 1, "do": "…", …}`; it is answered, in the order asked, with
`{"id": 1, "ok": true, "result": {…}}` or `{"id": 1, "ok": false, "error": "…"}`.

do        with                                          result
--------  --------------------------------------------  ------------------------------------------------------
enter     user, read {chatId: last msgId read}          chats: [chat]; from now on this user's events come
history   chat, before? (msgId), limit? (at most 500)   messages: [message], oldest first; more: bool
write     chat, text, replyTo? (msgId),                 msgId; the text is the caption of a file
          file? {name, content (base64)}
edit      chat, msgId, text                             -
delete    chat, msgId                                   -
press     chat, msgId, data                             queryId
pending   chat                                          pending: events that its bots have not asked for yet
addUser   firstName, lastName                           userId

Unasked come `{"event": "…", …}`; all but `people` carry `user`, whom they are for:

people    users: [{userId, name}], bots: [{userId, name, commands: [{command, description}]}].
          At first, and again when people or chats change or events were lost: enter anew.
message   chat (id), message
edited    chat, message
deleted   chat, msgId, last (the newest message left, or null)
action    chat, from (user id), action: "typing", "looking", or null when it is over
answer    queryId, botName, text, showAlert, url

chat: chatId, type, title, members, last (message or null), unread. message: as in `World.history`, and
files {fileId: {name, size, type, url, shown}} ({} for a file that is gone).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from vkteams_bot.emulator.changes import Change
from vkteams_bot.emulator.page import serialisation
from vkteams_bot.emulator.page.scope import COMMANDS, WORLD, Commands
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.world import World

MOST_MESSAGES = 500
USUAL_MESSAGES = 60
LARGEST_FILE = 10 * 1024 * 1024
WAITING_FRAMES = 1000

Request = Mapping[str, Any]
_PEOPLE = object()  # in the queue: look at the world when its turn comes


class PlaygroundConsumer(AsyncJsonWebsocketConsumer):
    """The world is an argument of `as_asgi(world=…)`, or stands in the scope (`page.scope.with_world`)."""

    channel_layer_alias = ""  # none: everything happens in this process

    def __init__(self, *args: Any, world: World | None = None, commands: Commands | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._given_world = world
        self._given_commands = commands
        self._user_id: str | None = None
        self._frames: asyncio.Queue[Any] = asyncio.Queue()
        self._people_wait = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.world: World = self._given_world or scope[WORLD]
        self.commands: Commands = self._given_commands or scope.get(COMMANDS) or {}
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stop()

    _unsubscribe: Callable[[], None] | None = None
    _writer: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        if not self._same_origin():
            await self.close(4403)
            return
        await self.accept()
        self._unsubscribe = self.world.listen(self._changed)
        self._put_people()
        self._writer = asyncio.create_task(self._write_frames(), name="playground writer")

    async def decode_json(self, text_data: str) -> Any:  # type: ignore[override]
        try:
            return json.loads(text_data)
        except ValueError:
            return None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        request = await self.decode_json(text_data or "")
        if not isinstance(request, dict) or not isinstance(request.get("id"), int):
            await self.close(4400)
            return
        try:
            result = self._do(request)
        except Refusal as refusal:
            self._put({"id": request["id"], "ok": False, "error": refusal.description})
        else:
            self._put({"id": request["id"], "ok": True, "result": result})

    def _do(self, request: Request) -> dict[str, Any]:
        operations: dict[str, Callable[[Request], dict[str, Any]]] = {
            "enter": self._enter,
            "history": self._history,
            "write": self._write,
            "edit": self._edit,
            "delete": self._delete,
            "press": self._press,
            "pending": self._pending,
            "addUser": self._add_user,
        }
        operation = operations.get(_text(request, "do"))
        if operation is None:
            raise Refusal("there is no such operation")
        return operation(request)

    # What the person does

    def _enter(self, request: Request) -> dict[str, Any]:
        user_id = _text(request, "user")
        read = request.get("read")
        read = read if isinstance(read, dict) else {}
        chats = []
        for view in self.world.chats_of(user_id):
            known = read.get(view.id)
            history = self.world.history(user_id, view.id)
            unread = serialisation.unread(history, user_id, known if isinstance(known, str) else None)
            chats.append(serialisation.chat(self.world, view, unread))
        self._user_id = user_id
        return {"chats": chats}

    def _history(self, request: Request) -> dict[str, Any]:
        messages = self.world.history(self._me(), _text(request, "chat"))
        before = request.get("before")
        if before is not None:
            end = _number(before)
            messages = [seen for seen in messages if int(seen["msgId"]) < end]
        limit = min(MOST_MESSAGES, _number(request.get("limit", USUAL_MESSAGES)))
        shown = messages[max(0, len(messages) - limit) :]
        return {
            "messages": [serialisation.message(self.world, seen) for seen in shown],
            "more": len(messages) > len(shown),
        }

    def _write(self, request: Request) -> dict[str, Any]:
        user_id, chat, text = self._me(), _text(request, "chat"), _text(request, "text")
        reply_to = request.get("replyTo")
        reply_to = None if reply_to is None else _text(request, "replyTo")
        if request.get("file") is None:
            return {"msgId": self.world.write(user_id, chat, text, reply_to=reply_to)}
        self.world.history(user_id, chat)  # refuses before the file is stored
        part = self.world.files.add(*_file(request["file"])).part(text)
        return {"msgId": self.world.write(user_id, chat, "", parts=[part], reply_to=reply_to)}

    def _edit(self, request: Request) -> dict[str, Any]:
        self.world.edit(self._me(), _text(request, "chat"), _text(request, "msgId"), _text(request, "text"))
        return {}

    def _delete(self, request: Request) -> dict[str, Any]:
        self.world.delete(self._me(), _text(request, "chat"), _text(request, "msgId"))
        return {}

    def _press(self, request: Request) -> dict[str, Any]:
        chat, msg_id, data = _text(request, "chat"), _text(request, "msgId"), _text(request, "data")
        return {"queryId": self.world.press(self._me(), chat, msg_id, data)}

    def _pending(self, request: Request) -> dict[str, Any]:
        chat_id = _text(request, "chat")
        members = {
            member["userId"]
            for view in self.world.chats_of(self._me())
            if view.id == chat_id
            for member in view.members
        }
        return {"pending": sum(bot.queue.pending for bot in self.world.bots.values() if bot.user_id in members)}

    def _add_user(self, request: Request) -> dict[str, Any]:
        first_name = _text(request, "firstName").strip()
        last_name = _text(request, "lastName").strip() or None
        if not first_name:
            raise Refusal("a person needs a first name")
        taken = self.world.users.keys() | {bot.user_id for bot in self.world.bots.values()}
        user_id = next(new for new in _user_ids(first_name) if new not in taken)
        return {"userId": self.world.add_user(user_id, first_name, last_name).user_id}

    def _me(self) -> str:
        if self._user_id is None:
            raise Refusal("enter first")
        return self._user_id

    # What the person sees happen

    def _changed(self, change: Change) -> None:
        if change.kind in ("chats", "reset"):
            self._put_people()
            return
        if self._user_id is None or self._user_id not in change.user_ids or change.chat is None:
            return
        event = {"event": change.kind, "user": self._user_id, "chat": change.chat.id}
        payload = change.payload
        if change.kind in ("message", "edited"):
            self._put({**event, "message": serialisation.message(self.world, payload)})
        elif change.kind == "deleted":
            last = serialisation.last_message(self.world, change.chat)
            self._put({**event, "msgId": payload["msgId"], "last": last})
        elif change.kind == "action":
            action = payload["action"] if payload["action"] in ("typing", "looking") else None
            self._put({**event, "from": payload["from"]["userId"], "action": action})
        elif change.kind == "callback_answer":
            self._put({**event, "event": "answer", **self._answer(change.chat.title, payload)})

    @staticmethod
    def _answer(title: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "queryId": payload["queryId"],
            "botName": title,
            "text": payload.get("text") or "",
            "showAlert": bool(payload.get("showAlert")),
            "url": payload.get("url") or None,
        }

    # Frames leave in the order in which they were put, whatever the speed of the browser.

    def _put(self, frame: Any) -> None:
        if self._frames.qsize() < WAITING_FRAMES or "id" in frame:
            self._frames.put_nowait(frame)
        else:
            self._put_people()  # the browser is too slow: it looks anew instead

    def _put_people(self) -> None:
        if not self._people_wait:
            self._people_wait = True
            self._frames.put_nowait(_PEOPLE)

    async def _write_frames(self) -> None:
        while True:
            frame = await self._frames.get()
            if frame is _PEOPLE:
                self._people_wait = False
                frame = {"event": "people", **serialisation.people(self.world, self.commands)}
            try:
                await self.send_json(frame)
            except (OSError, RuntimeError):
                return  # the browser has gone; the server says so to the reader, too

    async def _stop(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer

    def _same_origin(self) -> bool:
        """Other sites may not speak as the people here: their pages can reach a server on this machine, too."""
        headers = dict(self.scope["headers"])
        host, origin = headers.get(b"host", b"").decode("latin-1"), headers.get(b"origin")
        if origin is None:
            return True  # no browser
        # A name that somebody points at this machine is caught by ALLOWED_HOSTS, as for every request.
        request = HttpRequest()
        request.META["HTTP_HOST"] = host
        try:
            return urlsplit(origin.decode("latin-1")).netloc == request.get_host()
        except DisallowedHost:
            return False


def _text(request: Request, name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise Refusal(f"{name}: a text is needed")
    return value


def _number(value: Any) -> int:
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        raise Refusal("a number is needed") from None


def _file(upload: Any) -> tuple[str, bytes]:
    if not isinstance(upload, dict):
        raise Refusal("file: name and content are needed")
    try:
        content = base64.b64decode(_text(upload, "content"), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("file: the content is not base64") from None
    if len(content) > LARGEST_FILE:
        raise Refusal("the file is larger than 10 MB")
    return _text(upload, "name")[:255], content


def _user_ids(first_name: str) -> Any:
    """Ids for a new person: by the name, then with a number."""
    letters = "".join(letter for letter in first_name.lower() if letter.isascii() and letter.isalnum()) or "user"
    yield f"{letters}@example.com"
    number = 2
    while True:
        yield f"{letters}{number}@example.com"
        number += 1
