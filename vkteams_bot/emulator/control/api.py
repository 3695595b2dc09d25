"""Control: what tests and other programs do to the world over HTTP."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from vkteams_bot.emulator.behaviour import SWITCHES
from vkteams_bot.emulator.control.forms import (
    ChatInfo,
    Deletion,
    Edit,
    InChat,
    Membership,
    NewCallback,
    NewChat,
    NewMessage,
    NewThread,
    NewUser,
    Pin,
    RawEvents,
    read,
)
from vkteams_bot.emulator.faults import Faults, read_faults
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.request import Request
from vkteams_bot.emulator.users import BotAccount
from vkteams_bot.emulator.world import World

Answer = dict[str, Any]


class Control:
    def __init__(self, world: World, faults: Faults, requests: Counter[str]) -> None:
        self._world = world
        self._faults = faults
        self._requests = requests
        self._posts: dict[str, Callable[[Any], Answer]] = {
            "users": self._users,
            "chats": self._chats,
            "info": self._info,
            "members": self._members,
            "pins": self._pins,
            "threads": self._threads,
            "messages": self._messages,
            "edits": self._edits,
            "deletions": self._deletions,
            "callbacks": self._callbacks,
            "events": self._events,
            "faults": self._set_faults,
            "behaviour": self._set_behaviour,
            "reset": self._reset,
        }
        self._gets: dict[str, Callable[[dict[str, list[str]]], Answer]] = {
            "messages": self._shown,
            "faults": lambda query: {"faults": self._faults.as_list()},
            "behaviour": lambda query: {"behaviour": self._world.behaviour.as_dict()},
            "state": lambda query: self.state(),
        }

    async def serve(self, request: Request, path: str) -> None:
        """Answer with JSON; what cannot be done is a 400 that says why. Raises ClientGone and TooLong."""
        try:
            answer = await self._dispatch(request, path)
        except Refusal as refusal:
            await request.json({"ok": False, "description": refusal.description}, 400)
        else:
            await request.json({"ok": True, **answer})

    async def _dispatch(self, request: Request, path: str) -> Answer:
        if request.method == "GET" and path in self._gets:
            return self._gets[path](parse_qs(request.query.decode("utf-8", "replace")))
        if request.method == "POST" and path == "files":
            return await self._upload(request)
        if request.method == "POST" and path in self._posts:
            return self._posts[path](_json(await request.body()))
        raise Refusal(f"there is no {request.method} /emulator/{path}")

    def state(self) -> Answer:
        """Counters: what bots asked for, and what waits for them."""
        bots = {
            token: {
                "userId": bot.user_id,
                "pending": bot.queue.pending,
                "unacknowledged": bot.queue.unacknowledged,
                "acknowledgedEventId": bot.queue.acknowledged,
                "nextEventId": bot.queue.next_id,
            }
            for token, bot in self._world.bots.items()
        }
        return {
            "requests": dict(self._requests),
            "sends": self._world.counters["sends"],
            "pending": sum(bot.queue.pending for bot in self._world.bots.values()),
            "unacknowledged": sum(bot.queue.unacknowledged for bot in self._world.bots.values()),
            "bots": bots,
            "callbackAnswers": self._world.queries.answers(),
        }

    def _bot(self, token: str | None) -> BotAccount:
        bots = self._world.bots
        bot = bots.get(token) if token is not None else next(iter(bots.values()), None)
        if bot is None:
            raise Refusal("there is no bot with this token")
        return bot

    def _place(self, form: InChat) -> tuple[str, str]:
        """The person, and the chat as the person names it."""
        return form.from_user, self._named(form, form.chat_id)

    def _named(self, form: InChat, chat_id: str) -> str:
        return self._bot(form.token).user_id if chat_id == form.from_user else chat_id

    def _users(self, body: Any) -> Answer:
        bot_ids = {bot.user_id for bot in self._world.bots.values()}
        for user in read(list[NewUser], body if isinstance(body, list) else [body]):
            if user.user_id not in bot_ids or user.model_fields_set != {"user_id", "add_error"}:
                name = user.first_name or user.user_id
                more = user.model_dump(include={"about", "photo"})
                self._world.add_user(user.user_id, name, user.last_name, user.nick, **more)
            if user.add_error is None:
                self._world.directory.add_errors.pop(user.user_id, None)
            else:
                self._world.directory.add_errors[user.user_id] = user.add_error
        return {}

    def _chats(self, body: Any) -> Answer:
        new = read(NewChat, body)
        members = [*new.members]
        bot_ids = {bot.user_id for bot in self._world.bots.values()}
        if new.with_bot and not bot_ids.intersection([*members, *new.admins]):
            members.append(self._bot(None).user_id)
        more = new.model_dump(include={"about", "rules", "public", "join_moderation"})
        chat = self._world.create_chat(
            new.type, new.title, members, new.admins, chat_id=new.chat_id, parent=new.parent_topic, **more
        )
        return {"chatId": chat.chat_id}

    def _info(self, body: Any) -> Answer:
        info = read(ChatInfo, body)
        changes = info.model_dump(include={"title", "about", "rules"}, exclude_none=True)
        self._world.set_info(info.by, info.chat_id, **changes)
        return {}

    def _members(self, body: Any) -> Answer:
        change = read(Membership, body)
        failures = self._world.join(change.chat_id, change.add, change.by)
        if change.remove:
            self._world.leave(change.chat_id, change.remove, change.by)
        self._world.set_admins(change.chat_id, change.admins, admin=True)
        self._world.set_admins(change.chat_id, change.not_admins, admin=False)
        return {"failures": failures}

    def _pins(self, body: Any) -> Answer:
        pin = read(Pin, body)
        self._world.set_pinned(pin.by, pin.chat_id, pin.msg_id, pinned=pin.pinned)
        return {}

    def _threads(self, body: Any) -> Answer:
        new = read(NewThread, body)
        return {"chatId": self._world.open_thread(new.by, new.chat_id, new.msg_id)}

    def _messages(self, body: Any) -> Answer:
        if not isinstance(body, list):
            return {"msgId": self._write(read(NewMessage, body))}
        msg_ids: list[str] = []
        for message in read(list[NewMessage], body):
            try:
                msg_ids.append(self._write(message))
            except Refusal as refusal:
                raise Refusal(f"{len(msg_ids)}: {refusal.description} (those before it were written)") from None
        return {"msgIds": msg_ids}

    def _write(self, new: NewMessage) -> str:
        if new.forward_chat_id is None or not new.forward_msg_id:
            return self._world.write(*self._place(new), new.text, new.parts, new.format, new.reply_msg_id)
        msg_ids = [new.forward_msg_id] if isinstance(new.forward_msg_id, str) else new.forward_msg_id
        return self._world.forward(*self._place(new), self._named(new, new.forward_chat_id), msg_ids, new.text)

    def _edits(self, body: Any) -> Answer:
        edit = read(Edit, body)
        self._world.edit(*self._place(edit), edit.msg_id, edit.text)
        return {}

    def _deletions(self, body: Any) -> Answer:
        deletion = read(Deletion, body)
        self._world.delete(*self._place(deletion), deletion.msg_id)
        return {}

    def _callbacks(self, body: Any) -> Answer:
        new = read(NewCallback, body)
        return {"queryId": self._world.press(*self._place(new), new.msg_id, new.callback_data)}

    def _events(self, body: Any) -> Answer:
        new = read(RawEvents, body)
        if (new.events is None) == ("event" not in new.model_fields_set):
            raise Refusal("give either event or events")
        queue = self._bot(new.token).queue
        for event in new.events if new.events is not None else [new.event]:
            queue.put_raw(event, with_id=not new.raw)
        return {}

    def _set_faults(self, body: Any) -> Answer:
        """An object adds a rule; a list replaces all."""
        if isinstance(body, list):
            self._faults.replace(read_faults(body))
        else:
            self._faults.add(read_faults(body))
        return {"faults": self._faults.as_list()}

    def _set_behaviour(self, body: Any) -> Answer:
        if not isinstance(body, dict):
            raise Refusal(f"an object with some of {', '.join(SWITCHES)}")
        self._world.behaviour = self._world.behaviour.changed(body)
        return {"behaviour": self._world.behaviour.as_dict()}

    def _reset(self, body: Any) -> Answer:
        self._world.reset()
        self._faults.reset()
        self._requests.clear()
        return {}

    async def _upload(self, request: Request) -> Answer:
        """A file that people may send, as multipart: then a part with its fileId."""
        self._world.base_url = request.origin
        params, uploads = await request.params()
        kind = next(iter(params.get("kind", ())), "file")
        if not uploads or kind not in ("file", "sticker", "voice"):
            raise Refusal("send the file as multipart/form-data, with a kind of file, sticker or voice")
        stored = self._world.files.add(
            uploads[0].filename, uploads[0].content, voice=kind == "voice", sticker=kind == "sticker"
        )
        return {"fileId": stored.file_id}

    def _shown(self, query: dict[str, list[str]]) -> Answer:
        chat_id = next(iter(query.get("chatId", ())), None)
        if chat_id is None:
            raise Refusal("give chatId")
        bot = self._bot(next(iter(query.get("token", ())), None))
        chat = self._world.directory.chat(bot, chat_id)
        return {"messages": [chat.shown(message) for message in chat.messages.values() if not message.deleted]}


def _json(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refusal(f"the body is not JSON: {error}") from None
