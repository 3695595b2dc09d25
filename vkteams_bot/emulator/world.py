"""World: the scene with its groups, and what people do on it.

One event loop owns a world; no method may be called from another thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vkteams_bot.emulator.captions import with_addresses
from vkteams_bot.emulator.chat import Chat, ChatView
from vkteams_bot.emulator.groups import CHANGE_NAMES, Failure, Groups
from vkteams_bot.emulator.message import Message, Part
from vkteams_bot.emulator.query import Query
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.scene import DEFAULT_GROUP, DEFAULT_TOKEN
from vkteams_bot.emulator.users import User
from vkteams_bot.text.ranges import Ranges

__all__ = ["DEFAULT_GROUP", "DEFAULT_TOKEN", "World"]


class World(Groups):
    """What people do. They name a private chat by the bot's user id; whatever they may not do raises Refusal."""

    def chats_of(self, user_id: str) -> list[ChatView]:
        """Private chats with every bot first, then groups and channels."""
        self._person(user_id)
        return [chat.view() for chat in self.directory.chats_of(user_id)]

    def history(self, user_id: str, chat_id: str) -> list[dict[str, Any]]:
        """The messages of a chat, oldest first; deleted ones are marked."""
        return [message.seen() for message in self.directory.chat_for_person(user_id, chat_id).messages.values()]

    def write(
        self,
        user_id: str,
        chat_id: str,
        text: str,
        parts: list[Part] | None = None,
        format: Ranges | None = None,
        reply_to: str | None = None,
    ) -> str:
        """Write a message and return its id. Files go into `parts` by the fileId that `files.add` gave."""
        user, chat = self._person(user_id), self.directory.chat_for_person(user_id, chat_id)
        quotes = [{"type": "reply", "payload": {"message": chat.find(reply_to).quoted()}}] if reply_to else []
        return self._write(user, chat, text, [*quotes, *(parts or ())], format)

    def forward(self, user_id: str, chat_id: str, from_chat_id: str, msg_ids: Sequence[str], text: str = "") -> str:
        """Forward messages from another chat of the person, with a text or none. Returns the id of the new message."""
        user, source = self._person(user_id), self.directory.chat_for_person(user_id, from_chat_id)
        quotes = [{"type": "forward", "payload": {"message": source.find(msg_id).quoted()}} for msg_id in msg_ids]
        return self._write(user, self.directory.chat_for_person(user_id, chat_id), text, quotes)

    def press(self, user_id: str, chat_id: str, msg_id: str, callback_data: str) -> str:
        """Press a button of a bot's message and return the queryId. A button that is gone may be pressed, too."""
        user = self._person(user_id)
        chat = self.directory.chat_for_person(user_id, chat_id)
        message = chat.find(msg_id)
        bot = next((bot for bot in chat.bots if bot.user_id == message.sender.user_id), None)
        if bot is None:
            raise Refusal("the message has no buttons: it is not from a bot of this chat")
        if message.leads_away(callback_data):
            raise Refusal("the button opens its url and tells the bot nothing")
        query_id = self._identifiers.query(user_id, bot.user_id)
        self.queries.add(Query(query_id, bot, chat, user_id))
        shown = chat.payload(message, parent_topic=self.behaviour.parent_topic)
        shown["parts"] = message.parts_with_keyboard()
        payload = {"callbackData": callback_data, "from": user.reference(), "message": shown, "queryId": query_id}
        bot.queue.put("callbackQuery", payload)
        return query_id

    def edit(self, user_id: str, chat_id: str, msg_id: str, text: str) -> None:
        """Change the text of one's own message."""
        chat, message = self._own(user_id, chat_id, msg_id)
        if not text:
            raise Refusal("a message needs text")
        self.revise(chat, message, text, {}, None)

    def delete(self, user_id: str, chat_id: str, msg_id: str) -> None:
        """Delete one's own message, or as an admin anybody's."""
        chat, message = self._own(user_id, chat_id, msg_id, admins=True)
        self.remove(chat, message)
        if chat.type == "private":
            gone = {"chat": chat.reference(), "msgId": msg_id, "timestamp": self.now()}
            chat.bots[0].queue.put("deletedMessage", gone)
            if self.behaviour.ghost_twin:
                ghost = {**gone, "from": message.sender.reference(), "timestamp": message.timestamp}
                chat.bots[0].queue.put("newMessage", {**ghost, "editedTimestamp": self.now()})

    def join(self, chat_id: str, user_ids: Sequence[str], by: str | None = None) -> list[Failure]:
        """People come into a chat, or `by` a member are added. Returns who was not, and why, also who now waits."""
        chat = self._group(chat_id)
        return self.invite(chat, [self.directory.face(user_id).user_id for user_id in user_ids], self._member(chat, by))

    def leave(self, chat_id: str, user_ids: Sequence[str], by: str | None = None) -> None:
        """People leave a chat, or `by` an admin are removed."""
        chat = self._group(chat_id)
        if by is not None and by not in chat.admins:
            raise Refusal(f"{by} is not an admin of {chat_id}")
        self.expel(chat, user_ids, self._member(chat, by))

    def set_admins(self, chat_id: str, user_ids: Sequence[str], *, admin: bool) -> None:
        """Members become admins, or are no longer. Bots do not hear of it."""
        chat = self._group(chat_id)
        for user_id in user_ids:
            self._member(chat, user_id)
        if admin:
            chat.admins.update(user_ids)
        elif chat.creator in user_ids:
            raise Refusal(f"{chat.creator} is the creator of {chat_id}")
        else:
            chat.admins.difference_update(user_ids)

    def set_pinned(self, user_id: str, chat_id: str, msg_id: str, *, pinned: bool) -> None:
        """Pin a message of a group, or unpin it, as an admin."""
        chat = self._group(chat_id)
        if user_id not in chat.admins:
            raise Refusal(f"{user_id} is not an admin of {chat_id}")
        message, by = chat.find(msg_id), chat.members[user_id]
        if pinned:
            self.pin(chat, message, by)
        else:
            self.unpin(chat, message, by)

    def set_info(self, user_id: str, chat_id: str, **changes: str) -> None:
        """Change `title`, `about` or `rules` of a group, as an admin."""
        chat = self._group(chat_id)
        if user_id not in chat.admins:
            raise Refusal(f"{user_id} is not an admin of {chat_id}")
        for name, value in changes.items():
            self.describe(chat, chat.members[user_id], {CHANGE_NAMES[name]: value}, **{name: value})

    def open_thread(self, user_id: str, chat_id: str, msg_id: str) -> str:
        """The chat id of the thread under a message, which is made if there is none."""
        chat = self._group(chat_id)
        self._member(chat, user_id)
        thread = self.thread_under(chat, chat.find(msg_id))
        thread.subscribers[user_id] = None
        return thread.chat_id

    def _write(self, user: User, chat: Chat, text: str, parts: list[Part], format: Ranges | None = None) -> str:
        if not chat.may_post(user.user_id):
            raise Refusal(f"{user.user_id} is not an admin of the channel {chat.chat_id}")
        if not text and not parts:
            raise Refusal("a message needs text or parts")
        parts, text = with_addresses(parts, text, self.address_as_text)
        return self.post(chat, user, text=text, format=format, parts=parts).msg_id

    def _group(self, chat_id: str) -> Chat:
        chat = self.directory.group(chat_id)
        if chat.parent is not None:
            raise Refusal(f"{chat_id} is a thread")
        return chat

    def _member(self, chat: Chat, user_id: str | None) -> User | None:
        if user_id is not None and user_id not in chat.members:
            raise Refusal(f"{user_id} is not a member of {chat.chat_id}")
        return None if user_id is None else chat.members[user_id]

    def _person(self, user_id: str) -> User:
        try:
            return self.users[user_id]
        except KeyError:
            raise Refusal(f"there is no user {user_id}") from None

    def _own(self, user_id: str, chat_id: str, msg_id: str, *, admins: bool = False) -> tuple[Chat, Message]:
        chat = self.directory.chat_for_person(user_id, chat_id)
        message = chat.find(msg_id)
        if message.sender.user_id != user_id and not (admins and user_id in chat.admins):
            raise Refusal(f"the message is not from {user_id}")
        return chat, message
