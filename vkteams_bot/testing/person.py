"""Person: what somebody in the messenger does and sees."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from vkteams_bot.api.types import Message as ApiMessage
from vkteams_bot.conf import conf
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import User
from vkteams_bot.emulator.world import World
from vkteams_bot.fsm import StateKey, StateRecord, Strategy, key_for
from vkteams_bot.testing.act import Act
from vkteams_bot.testing.attachments import Upload, file_part, forward_part
from vkteams_bot.testing.group import Group
from vkteams_bot.testing.journal import Journal
from vkteams_bot.testing.line import Line
from vkteams_bot.testing.seen import Message, SeenFile, TaskMessage

NOTHING = {"msgId": "", "from": {"userId": ""}, "text": "", "parts": [], "format": {}}


class Stage(Protocol):
    """Where people act: the chat fixture."""

    alias: str

    @property
    def line(self) -> Line: ...
    @property
    def journal(self) -> Journal: ...
    def act(self, what: str, change: Callable[[], object], transcript: Callable[[], list[str]]) -> Act: ...
    def check_awaited(self) -> None: ...


class Person:
    """Verbs happen at once in a plain test; a coroutine awaits them. They return when the bot has nothing left to do.

    They raise what the bot's handlers raised, and Refusal for what nobody could do in the messenger.
    """

    def __init__(self, stage: Stage, user: User, place: str | None = None) -> None:
        self._stage = stage
        self._place = place
        self.user = user

    def __repr__(self) -> str:
        return f"<Person {self.user_id}>"

    @property
    def user_id(self) -> str:
        return self.user.user_id

    def at(self, group: Group) -> Person:
        """The same person with this chat open: sees, and acts in, nothing else."""
        return Person(self._stage, self.user, group.chat_id)

    def sends(
        self,
        text: str = "",
        *,
        to: Group | None = None,
        reply_to: Message | None = None,
        forward: Message | None = None,
        file: Upload | None = None,
        voice: Upload | None = None,
        sticker: str | None = None,
    ) -> Act:
        """Write a message; the text is the caption of a file. `sticker` is a file id."""
        place = self._where if to is None else to.chat_id
        world = self._world

        def write() -> None:
            parts = [] if forward is None else [forward_part(world, self.user_id, forward)]
            parts += [file_part(world, file, text)] if file is not None else []
            parts += [file_part(world, voice, "", voice=True)] if voice is not None else []
            parts += [{"type": "sticker", "payload": {"fileId": sticker}}] if sticker is not None else []
            told = "" if file is not None else text
            world.write(self.user_id, place, told, parts=parts, reply_to=reply_to.id if reply_to is not None else None)

        __tracebackhide__ = True
        return self._does(f"sends {text!r}", write)

    def edits(self, text: str, *, message: Message | None = None) -> Act:
        """Change a message of their own, by default the last."""
        return self._does(f"edits to {text!r}", lambda: self._world.edit(*self._own(message), text))

    def deletes(self, message: Message | None = None) -> Act:
        """Delete a message, by default the last of their own."""
        return self._does("deletes", lambda: self._world.delete(*self._own(message)))

    def clicks(self, label: str, *, message: Message | None = None) -> Act:
        """Press a button of the latest message that has one with this label, or of `message`."""

        def press() -> None:
            shown, data = self._button(label, message)
            self._stage.journal.pressed(self.user_id, shown.chat_id, label)
            self._world.press(self.user_id, shown.chat_id, shown.id, data)

        __tracebackhide__ = True
        return self._does(f"clicks {label!r}", press)

    def joins(self, group: Group) -> Act:
        return self._does(f"joins {group}", lambda: _refuse_failures(self._world.join(group.chat_id, [self.user_id])))

    def leaves(self, group: Group) -> Act:
        return self._does(f"leaves {group}", lambda: self._world.leave(group.chat_id, [self.user_id]))

    def adds(self, *people: Person, to: Group) -> Act:
        added = [person.user_id for person in people]
        return self._does(
            f"adds {', '.join(added)}", lambda: _refuse_failures(self._world.join(to.chat_id, added, by=self.user_id))
        )

    def removes(self, *people: Person, group: Group) -> Act:
        """As an admin."""
        removed = [person.user_id for person in people]
        return self._does(
            f"removes {', '.join(removed)}", lambda: self._world.leave(group.chat_id, removed, by=self.user_id)
        )

    def pins(self, message: Message) -> Act:
        """As an admin."""
        return self._pins(message, pinned=True)

    def unpins(self, message: Message) -> Act:
        """As an admin."""
        return self._pins(message, pinned=False)

    def thread(self, message: Message) -> Group:
        """The thread under a message of a group, made if there is none."""
        return Group(self._world, self._world.open_thread(self.user_id, message.chat_id, message.id))

    @property
    def sees(self) -> Message:
        """What the bot wrote or edited last, in any chat, since this person's last act; "" when it kept silent."""
        replies = self.replies
        return replies[-1] if replies else self._message(NOTHING, self._where)

    @property
    def replies(self) -> list[Message]:
        """All that the bot wrote or edited since this person's last act, as it stands now, the latest change last."""
        self._stage.check_awaited()
        changed: dict[tuple[str, str], None] = {}
        for entry in self._stage.journal.new(self.user_id, self._place):
            if entry.kind in ("message", "edited") and entry.payload["from"]["userId"] == self._bot_id:
                key = entry.place, entry.payload["msgId"]
                changed.pop(key, None)
                changed[key] = None
        messages = [self._standing(*key) for key in changed]
        return [message for message in messages if message is not None]

    @property
    def screen(self) -> list[Message]:
        """The messages of the chat at hand, oldest first: edited ones as they are now, deleted ones not at all."""
        self._stage.check_awaited()
        history = self._world.history(self.user_id, self._where)
        return [self._message(payload, self._where) for payload in history if not payload.get("deleted")]

    @property
    def wrote(self) -> Message | None:
        """The last message of their own that still stands."""
        self._stage.check_awaited()
        return self._last_own()

    @property
    def buttons(self) -> list[str]:
        """The labels of the latest message on the screen that has any."""
        return next((message.buttons for message in reversed(self.screen) if message.buttons), [])

    @property
    def notified(self) -> TaskMessage:
        """What the last answer to a pressed button showed since this person's last act; "" when there was none."""
        self._stage.check_awaited()
        new = self._stage.journal.new(self.user_id)
        answer = next((entry.payload for entry in reversed(new) if entry.kind == "callback_answer"), None) or {}
        notice = TaskMessage(str(answer.get("text", "")), self.transcript)
        notice.alert, notice.url = bool(answer.get("showAlert")), str(answer.get("url", ""))
        return notice

    @property
    def files(self) -> list[SeenFile]:
        """Those of the replies."""
        return [file for message in self.replies for file in message.files]

    @property
    def sees_typing(self) -> bool:
        """Whether the bot showed that it types, since this person's last act."""
        self._stage.check_awaited()
        new = self._stage.journal.new(self.user_id, self._place)
        return any(entry.kind == "action" and entry.payload["action"] == "typing" for entry in new)

    def transcript(self) -> list[str]:
        """The conversation, a line each."""
        return self._stage.journal.transcript(self.user_id, self._place)

    @property
    def state(self) -> str | None:
        """The FSM state in the storage, for the chat at hand. Compares with a State."""
        return self._record.state

    @property
    def data(self) -> dict[str, Any]:
        """The FSM data in the storage."""
        return dict(self._record.data)

    @property
    def _record(self) -> StateRecord:
        self._stage.check_awaited()
        line, key = self._stage.line, self._key()
        return line.home.call(lambda: line.store.load_states([key])).get(key) or StateRecord()

    def _key(self) -> StateKey:
        private = self._where == self._bot_id
        chat = {"chatId": self.user_id, "type": "private"} if private else {"chatId": self._where, "type": "group"}
        sender = {"userId": self.user_id, "firstName": self.user.first_name}
        payload: dict[str, Any] = {"chat": chat, "from": sender, "msgId": "1", "timestamp": 0}
        if not private and (parent := self._world.directory.group(self._where).parent) is not None:
            payload["parent_topic"] = parent
        return key_for(ApiMessage.model_validate(payload), self._stage.alias, Strategy(conf.fsm_strategy))

    @property
    def _world(self) -> World:
        return self._stage.line.world

    @property
    def _bot_id(self) -> str:
        return self._stage.line.account.user_id

    @property
    def _where(self) -> str:
        """The chat as the world's people name it."""
        return self._bot_id if self._place is None else self._place

    def _does(self, what: str, change: Callable[[], object]) -> Act:
        __tracebackhide__ = True

        def act() -> None:
            self._stage.journal.acts(self.user_id)
            change()

        return self._stage.act(f"{self.user_id} {what}", act, self.transcript)

    def _pins(self, message: Message, *, pinned: bool) -> Act:
        return self._does(
            "pins" if pinned else "unpins",
            lambda: self._world.set_pinned(self.user_id, message.chat_id, message.id, pinned=pinned),
        )

    def _own(self, message: Message | None) -> tuple[str, str, str]:
        if message is None:
            message = self._last_own()
        if message is None:
            raise Refusal(f"{self.user_id} has written nothing here")
        return self.user_id, message.chat_id, message.id

    def _last_own(self) -> Message | None:
        return next((message for message in self._latest() if message.author == self.user_id), None)

    def _latest(self) -> Iterator[Message]:
        """What stands in the chat at hand, or if none was opened in all of them, the latest first."""
        world = self._world
        chats = [(chat.chat_id, chat) for chat in world.directory.chats_of(self.user_id)]
        places = [(self._bot_id if chat.type == "private" else chat_id, chat) for chat_id, chat in chats]
        columns = [
            ((place, message) for message in reversed(chat.messages.values()) if not message.deleted)
            for place, chat in places
            if self._place in (None, place)
        ]
        for place, message in heapq.merge(*columns, key=lambda entry: -int(entry[1].msg_id)):
            yield self._message(message.seen(), place)

    def _button(self, label: str, message: Message | None) -> tuple[Message, str]:
        shown = self._latest() if message is None else iter([self._standing(message.chat_id, message.id) or message])
        labels: dict[str, None] = {}
        for candidate in shown:
            data = candidate.pressable(label)
            if data is not None:
                return candidate, data
            labels |= dict.fromkeys(candidate.buttons)
        there = " ".join(f"[{name}]" for name in labels)
        raise Refusal(f"{self.user_id} sees no button [{label}], but {there or 'none'}")

    def _standing(self, place: str, msg_id: str) -> Message | None:
        """A message as it is now; None when it is deleted or this person is no longer there."""
        try:
            message = self._world.directory.chat_for_person(self.user_id, place).find(msg_id)
        except Refusal:
            return None
        return self._message(message.seen(), place)

    def _message(self, payload: dict[str, Any], place: str) -> Message:
        return Message.of(self._world, place, payload, self.transcript)


def _refuse_failures(failures: list[dict[str, Any]]) -> None:
    """Waiting for an admin's consent is no failure."""
    real = [failure for failure in failures if failure["error"] != "user_waiting_for_approve"]
    if real:
        raise Refusal(", ".join(f"{failure['id']}: {failure['error']}" for failure in real))
