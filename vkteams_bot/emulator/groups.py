"""Groups: what bots and people alike change in groups and channels, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from vkteams_bot.emulator.chat import Chat
from vkteams_bot.emulator.message import Message
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.scene import Scene
from vkteams_bot.emulator.users import BotAccount, User

Failure = dict[str, Any]

# What a changedChatInfo calls each change.
CHANGE_NAMES = {"title": "title", "about": "newAbout", "rules": "newRules"}
NEW_NAMES = {"title": "newTitle"}


class Groups(Scene):
    """`by` is who does it; None: the people themselves, who come and go."""

    def invite(self, chat: Chat, user_ids: Iterable[str], by: User | None) -> list[Failure]:
        """Make people and bots members. Returns who was not added, and why, as chats/members/add does."""
        joined: list[User] = []
        failures: list[Failure] = []
        for user_id in dict.fromkeys(user_ids):
            error = self._obstacle(chat, user_id, by)
            if error is None:
                self.directory.join(chat, user_id)
                joined.append(chat.members[user_id])
            else:
                failures.append({"id": user_id, "error": error})
        self._joined(chat, joined, by)
        return failures

    def expel(self, chat: Chat, user_ids: Iterable[str], by: User | None) -> None:
        """Make members none; who is not one is passed over. Raises Refusal when the creator is sent away."""
        gone = [chat.members[user_id] for user_id in dict.fromkeys(user_ids) if user_id in chat.members]
        if by is not None and any(user.user_id == chat.creator for user in gone):
            raise Refusal("Permission denied")
        if not gone:
            return
        hearers, people = list(chat.bots), chat.people()
        for user in gone:
            self.directory.leave(chat, user.user_id)
        payload: dict[str, Any] = {"chat": chat.reference(), "leftMembers": [user.reference() for user in gone]}
        if by is not None:
            payload["removedBy"] = by.reference()
        self._announce("leftChatMembers", hearers, payload, by, about={user.user_id for user in gone})
        self._tell("chats", chat, user_ids=people)

    def resolve(self, chat: Chat, user_ids: Iterable[str], by: User, *, approve: bool) -> None:
        """Let people in who wait, or turn them away."""
        waiting = [chat.pending.pop(user_id).user_id for user_id in list(user_ids)]
        if approve:
            for user_id in waiting:
                self.directory.join(chat, user_id)
            self._joined(chat, [chat.members[user_id] for user_id in waiting], by)

    def block(self, chat: Chat, user: User) -> None:
        """Remove a person and keep them out. Bots do not hear of it."""
        people = chat.people()
        self.directory.leave(chat, user.user_id)
        chat.pending.pop(user.user_id, None)
        chat.blocked[user.user_id] = user
        self._tell("chats", chat, user_ids=people)

    def describe(self, chat: Chat, by: User, told: dict[str, Any], **changes: Any) -> None:
        """Change title, description, rules or picture; `told` is what the event says of it, as it was seen."""
        for name, value in changes.items():
            setattr(chat, name, value)
        if self.behaviour.chat_info_names == "new":
            told = {"from": by.reference(), **{NEW_NAMES.get(name, name): value for name, value in told.items()}}
        if self.behaviour.changed_chat_info:
            self._announce("changedChatInfo", chat.bots, {"chat": chat.reference(), **told}, by)
        self._tell("chats", chat)

    def pin(self, chat: Chat, message: Message, by: User) -> None:
        """Twice is once."""
        if message.msg_id in chat.pinned:
            return
        chat.pinned.add(message.msg_id)
        payload = {"chat": chat.reference(), **message.quoted()}
        if chat.type == "channel" and self.behaviour.channel_from == "channel":
            payload["from"] = chat.as_sender()
        if self.behaviour.pinned_from == "pinner":
            payload["from"] = by.reference()
        self._announce("pinnedMessage", chat.bots, payload, by)

    def unpin(self, chat: Chat, message: Message, by: User) -> None:
        """Twice is once."""
        if message.msg_id not in chat.pinned:
            return
        chat.pinned.discard(message.msg_id)
        payload = {"chat": chat.reference(), "msgId": message.msg_id, "timestamp": message.timestamp}
        self._announce("unpinnedMessage", chat.bots, payload, by)

    def thread_under(self, chat: Chat, message: Message) -> Chat:
        """The thread under a message; a new one has the message's author and who asked for all threads."""
        thread = self.directory.thread(chat, message.msg_id)
        if thread is None:
            thread = self.directory.add_thread(chat, message.msg_id)
            authors = [] if message.sender.is_bot else [message.sender.user_id]
            thread.subscribers = dict.fromkeys([*authors, *sorted(chat.autosubscribed)])
            self._tell("chats", thread)
        return thread

    def autosubscribe(self, chat: Chat, bot: BotAccount, *, enable: bool, with_existing: bool) -> None:
        """Let a bot have the events of new threads, and of those that there are; or no longer."""
        existing = self.directory.threads(chat) if with_existing else []
        if enable:
            chat.autosubscribed.add(bot.user_id)
            for thread in existing:
                thread.subscribers[bot.user_id] = None
        else:
            chat.autosubscribed.discard(bot.user_id)
            for thread in existing:
                thread.subscribers.pop(bot.user_id, None)

    def _obstacle(self, chat: Chat, user_id: str, by: User | None) -> str | None:
        try:
            user = self.directory.face(user_id)
        except Refusal:
            return "user_not_found"
        if user_id in chat.members:
            return "user_already_added"
        if user_id in chat.blocked:
            return "user_blocked_confirmation_required"
        if by is not None and user_id in self.directory.add_errors:
            return self.directory.add_errors[user_id]
        if chat.join_moderation and (by is None or by.user_id not in chat.admins):
            chat.pending[user_id] = user
            return "user_waiting_for_approve"
        return None

    def _joined(self, chat: Chat, joined: list[User], by: User | None) -> None:
        if not joined:
            return
        payload: dict[str, Any] = {"chat": chat.reference(), "newMembers": [user.reference() for user in joined]}
        if by is not None:
            payload["addedBy"] = by.reference()
        self._announce("newChatMembers", chat.bots, payload, by, about={user.user_id for user in joined})
        self._tell("chats", chat)

    def _announce(
        self, kind: str, bots: Iterable[BotAccount], payload: Any, by: User | None, about: Collection[str] = ()
    ) -> None:
        for bot in bots:
            own_change = by is not None and bot.user_id == by.user_id
            if own_change and not self.behaviour.echo_changes:
                continue
            if bot.user_id in about and not self.behaviour.own_membership:
                continue
            bot.queue.put(kind, payload)
