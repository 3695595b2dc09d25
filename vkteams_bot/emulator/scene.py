"""Scene: everything that there is, and the changes that bots and people alike make to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vkteams_bot.emulator.behaviour import Behaviour
from vkteams_bot.emulator.changes import Change, Kind, Listener
from vkteams_bot.emulator.chat import Chat, ChatType
from vkteams_bot.emulator.directory import Directory
from vkteams_bot.emulator.filestore import FileStore
from vkteams_bot.emulator.identifiers import Identifiers
from vkteams_bot.emulator.message import Message, Part, Rows
from vkteams_bot.emulator.query import Queries, Query
from vkteams_bot.emulator.ratelimits import RateLimits
from vkteams_bot.emulator.users import BotAccount, User
from vkteams_bot.text.ranges import Ranges

DEFAULT_TOKEN = "001.1234567890.0987654321:1000000001"
DEFAULT_GROUP = "1000@chat.agent"


class Scene:
    """`first_event_id` is where the ids of every bot's events begin; without it, at the clock's milliseconds."""

    def __init__(
        self,
        tokens: Sequence[str] = (DEFAULT_TOKEN,),
        *,
        behaviour: Behaviour | None = None,
        first_event_id: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.base_url = "http://127.0.0.1:8081"  # where people see files; set by the HTTP face
        self.closed = False
        self.counters: Counter[str] = Counter()
        self.queries = Queries()
        self.sent_by_request_id: dict[tuple[str, str], dict[str, Any]] = {}
        self._clock = clock
        self._identifiers = Identifiers(clock)
        self._listeners: dict[object, Listener] = {}
        self._first_behaviour = self.behaviour
        self.directory = Directory(self._identifiers, clock)
        self.rate_limits = RateLimits(clock)
        self.files = FileStore(self._identifiers, clock)
        self._first_event_id = first_event_id
        self._populate()
        for token in tokens:
            self.add_bot(token)

    def _populate(self) -> None:
        self.add_user("alice@example.com", "Alice", "Smith", "alice")
        self.add_user("bob@example.com", "Bob", "Brown", "bob")
        self._team = self.create_chat(
            "group", "Team", ["bob@example.com"], ["alice@example.com"], chat_id=DEFAULT_GROUP
        )

    @property
    def bots(self) -> dict[str, BotAccount]:
        return self.directory.bots

    @property
    def users(self) -> dict[str, User]:
        return self.directory.users

    def now(self) -> int:
        return int(self._clock())

    def file_url(self, file_id: str) -> str:
        return f"{self.base_url}/files/get/{file_id}"

    def address_as_text(self, file_id: str) -> str:
        """What stands as the text of a file without caption."""
        return self.file_url(file_id) if self.behaviour.file_url_as_text else ""

    def reset(self) -> None:
        """Back to the beginning; bots, their tokens and who listens stay, and ids go on ascending."""
        self.behaviour = self._first_behaviour
        people = set(self.users)
        self.directory.clear()
        self.files.clear()
        self.counters.clear()
        self.queries.clear()
        self.sent_by_request_id.clear()
        self.rate_limits.clear()
        for bot in self.bots.values():
            bot.queue.clear(self._identifiers.event())
        self._populate()
        for bot in list(self.bots.values())[:1]:
            self.directory.join(self._team, bot.user_id, admin=True)
        self._tell("reset", None, user_ids=people | set(self.users))

    def close(self) -> None:
        """End all long polls."""
        self.closed = True
        for bot in self.bots.values():
            bot.queue.wake()

    def listen(self, callback: Listener) -> Callable[[], None]:
        """Call `callback` with each Change, at once and in order. Returns what ends it."""
        key = object()
        self._listeners[key] = callback
        return lambda: self._listeners.pop(key, None) and None

    def add_bot(self, token: str, *, first_name: str | None = None, nick: str | None = None) -> BotAccount:
        """Add a bot; the first becomes an admin of the team's group. Raises ValueError for an id that is taken."""
        first = self._identifiers.event() if self._first_event_id is None else self._first_event_id
        bot = self.directory.add_bot(token, first, first_name=first_name, nick=nick)
        if len(self.bots) == 1:
            self.directory.join(self._team, bot.user_id, admin=True)
        self._tell("chats", None, user_ids=set(self.users))
        return bot

    def add_user(
        self, user_id: str, first_name: str, last_name: str | None = None, nick: str | None = None, **more: Any
    ) -> User:
        """Add a person, or rename one; `more` is of User."""
        user = User(user_id=user_id, first_name=first_name, last_name=last_name, nick=nick, **more)
        self.directory.add_user(user)
        self._tell("chats", None, user_ids={user_id})
        return user

    def create_chat(
        self,
        kind: ChatType,
        title: str,
        members: Iterable[str],
        admins: Iterable[str] = (),
        *,
        chat_id: str | None = None,
        **more: Any,
    ) -> Chat:
        """Add a group or channel with these people and bots, by their user ids; `more` is of Chat."""
        chat = self.directory.add_group(chat_id, kind, title, members, admins, **more)
        self._tell("chats", chat)
        return chat

    def post(
        self,
        chat: Chat,
        sender: User,
        *,
        text: str = "",
        format: Ranges | None = None,
        parts: list[Part] | None = None,
        keyboard: Rows | None = None,
        deeplink: str | None = None,
    ) -> Message:
        """Add a message, with a part for each mention; the other bots of the chat get an event."""
        message = Message(
            msg_id=self._identifiers.message(),
            sender=sender,
            timestamp=self.now(),
            text=text,
            format=format or {},
            parts=[*(parts or ()), *self.directory.mentions(text)],
            keyboard=keyboard or None,
            deeplink=deeplink,
        )
        chat.keep(message)
        if not sender.is_bot:
            chat.opened = True
            if chat.parent is not None:
                chat.subscribers[sender.user_id] = None
        self._report("newMessage", chat, message)
        self._tell("message", chat, message.seen)
        return message

    def revise(self, chat: Chat, message: Message, text: str, format: Ranges, keyboard: Rows | None) -> None:
        """Replace text and keyboard of a message."""
        others = [part for part in message.parts if part.get("type") != "mention"]
        message.text, message.format, message.keyboard = text, format, keyboard or None
        message.parts = [*others, *self.directory.mentions(text)]
        message.edited_timestamp = self.now()
        self._report("editedMessage", chat, message)
        self._tell("edited", chat, message.seen)

    def remove(self, chat: Chat, message: Message, by: BotAccount | None = None) -> None:
        """Delete a message. Bots of a group hear of it by a switch only, and never of what they deleted themselves."""
        message.deleted = True
        chat.pinned.discard(message.msg_id)
        if self.behaviour.deleted_in_groups and chat.type != "private":
            gone = {"chat": chat.reference(), "msgId": message.msg_id, "timestamp": self.now()}
            for bot in chat.hearers():
                if bot is not by and bot.user_id in chat.admins:
                    bot.queue.put("deletedMessage", gone)
        self._tell("deleted", chat, lambda: {"msgId": message.msg_id})

    def act(self, chat: Chat, who: User, actions: Sequence[str]) -> None:
        """Show what somebody is doing."""
        action = "typing" if "typing" in actions else next(iter(actions), "none")
        self._tell("action", chat, lambda: {"from": who.reference(), "action": action})

    def answer_query(self, query: Query, answer: dict[str, Any]) -> None:
        query.answers.append(answer)
        payload = {"queryId": query.query_id, **answer}
        self._tell("callback_answer", query.chat, lambda: payload, user_ids={query.user_id})

    def _report(self, kind: str, chat: Chat, message: Message) -> None:
        payload = None
        for bot in chat.hearers():
            if bot.user_id != message.sender.user_id:
                payload = payload or self._payload(chat, message)
                bot.queue.put(kind, payload)

    def _payload(self, chat: Chat, message: Message) -> dict[str, Any]:
        payload = chat.payload(message, parent_topic=self.behaviour.parent_topic)
        if chat.type == "channel" and self.behaviour.channel_from == "channel":
            payload["from"] = chat.as_sender()
        return payload

    def _tell(
        self,
        kind: Kind,
        chat: Chat | None,
        payload: Callable[[], dict[str, Any]] = dict,
        user_ids: set[str] | None = None,
    ) -> None:
        if not self._listeners:
            return
        seen_by = user_ids if user_ids is not None else chat.people() if chat else set()
        change = Change(kind, chat.view() if chat else None, payload(), seen_by)
        for listener in list(self._listeners.values()):
            listener(change)
