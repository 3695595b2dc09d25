"""Directory: who and what there is, and how to find it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vkteams_bot.emulator.chat import Chat, ChatType
from vkteams_bot.emulator.eventqueue import EventQueue
from vkteams_bot.emulator.identifiers import Identifiers
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import BotAccount, User

FIRST_BOT_ID = 1_000_000_001
MENTION = re.compile(r"@\[([^\[\]\s]+)\]")


class Directory:
    """Users, bots and chats by their ids and nicks."""

    def __init__(self, identifiers: Identifiers, clock: Callable[[], float]) -> None:
        self._identifiers = identifiers
        self._clock = clock
        self.users: dict[str, User] = {}
        self.bots: dict[str, BotAccount] = {}
        self._bots_by_id: dict[str, BotAccount] = {}
        self._groups: dict[str, Chat] = {}
        self._private: dict[tuple[str, str], Chat] = {}
        self._threads: dict[tuple[str, str], Chat] = {}
        self.add_errors: dict[str, str] = {}
        """People who cannot be added to a chat, and the error that chats/members/add gives."""

    def add_bot(
        self, token: str, first_event_id: int, *, first_name: str | None = None, nick: str | None = None
    ) -> BotAccount:
        """The text after the token's last colon is the bot's id. Raises ValueError when another bot has it."""
        number = len(self.bots) + 1
        suffix = token.rpartition(":")[2]
        user_id = suffix if suffix.isascii() and suffix.isdigit() else str(FIRST_BOT_ID + number - 1)
        if user_id in self._bots_by_id:
            raise ValueError(f"two tokens of the bot {user_id}")
        which = "" if number == 1 else str(number)
        first_name = first_name or f"Test Bot {which}".strip()
        face = User(user_id=user_id, first_name=first_name, nick=nick or f"test_bot{which}", is_bot=True)
        bot = BotAccount(token, face, EventQueue(first_event_id, self._clock))
        self.bots[token] = self._bots_by_id[user_id] = bot
        return bot

    def add_user(self, user: User) -> None:
        """Add a person, or change one: chats then show the new name. Raises Refusal."""
        if user.user_id in self._bots_by_id:
            raise Refusal(f"{user.user_id} is a bot")
        if user.user_id.endswith("@chat.agent") or not user.user_id:
            raise Refusal("a userId is an e-mail address or a number")
        self.users[user.user_id] = user
        for chat in self.chats():
            if user.user_id in chat.members:
                chat.members[user.user_id] = user

    def add_group(
        self,
        chat_id: str | None,
        kind: ChatType,
        title: str,
        members: Iterable[str],
        admins: Iterable[str],
        **more: Any,
    ) -> Chat:
        """Add a group or channel; admins are members, the first of them its creator. Raises Refusal."""
        admins = list(admins)
        chat_id = chat_id or next(new for new in iter(self._identifiers.chat, "") if new not in self._groups)
        if chat_id in self._groups:
            raise Refusal(f"the chat {chat_id} exists")
        if not chat_id.endswith("@chat.agent"):
            raise Refusal("the id of a group or channel ends in @chat.agent")
        people = {user_id: self.face(user_id) for user_id in [*admins, *members]}
        root = _root(more.get("parent"))
        if root in self._threads:
            raise Refusal(f"the message {root[1]} has a thread")
        chat = Chat(chat_id=chat_id, type=kind, title=title, members=people, admins=set(admins), **more)
        chat.creator = next(iter(admins), None)
        chat.bots = [self._bots_by_id[user_id] for user_id in people if user_id in self._bots_by_id]
        self._groups[chat_id] = chat
        if root is not None:
            chat.subscribers = dict.fromkeys(people)
            self._threads[root] = chat
        return chat

    def thread(self, chat: Chat, msg_id: str) -> Chat | None:
        """The thread under a message, if there is one."""
        return self._threads.get((chat.chat_id, msg_id))

    def threads(self, chat: Chat) -> list[Chat]:
        """Every thread of a chat."""
        return [thread for (chat_id, _), thread in self._threads.items() if chat_id == chat.chat_id]

    def add_thread(self, chat: Chat, msg_id: str) -> Chat:
        """Open a thread, which has the people of the chat."""
        parent = {"chatId": chat.chat_id, "messageId": int(msg_id), "type": "message"}
        thread = self.add_group(None, "group", "", (), (), parent=parent, comments=chat.type == "channel")
        thread.members, thread.admins, thread.bots = chat.members, chat.admins, chat.bots
        return thread

    def join(self, chat: Chat, user_id: str, *, admin: bool = False) -> None:
        """Make a person or bot a member. Raises Refusal."""
        user = self.face(user_id)
        if user_id in self._bots_by_id and user_id not in chat.members:
            chat.bots.append(self._bots_by_id[user_id])
        chat.members[user_id] = user
        chat.pending.pop(user_id, None)
        if admin:
            chat.admins.add(user_id)

    def leave(self, chat: Chat, user_id: str) -> None:
        """Make a member none."""
        chat.members.pop(user_id, None)
        chat.admins.discard(user_id)
        chat.autosubscribed.discard(user_id)
        if user_id in self._bots_by_id and self._bots_by_id[user_id] in chat.bots:
            chat.bots.remove(self._bots_by_id[user_id])
        for thread in self.threads(chat):
            thread.subscribers.pop(user_id, None)

    def group(self, chat_id: str) -> Chat:
        """A group, channel or thread. Raises Refusal."""
        try:
            return self._groups[chat_id]
        except KeyError:
            raise Refusal(f"there is no chat {chat_id}") from None

    def face(self, user_id: str) -> User:
        """A person or bot by id. Raises Refusal."""
        bot = self._bots_by_id.get(user_id)
        user = bot.user if bot else self.users.get(user_id)
        if user is None:
            raise Refusal(f"there is no user {user_id}")
        return user

    def private(self, bot: BotAccount, user_id: str) -> Chat:
        """The private chat of a bot and a person. Raises Refusal."""
        chat = self._private.get((bot.user_id, user_id))
        if chat is None:
            user = self.users.get(user_id)
            if user is None:
                raise Refusal("Invalid chatId")
            members = {user_id: user, bot.user_id: bot.user}
            chat = Chat(chat_id=user_id, type="private", members=members, bots=[bot])
            self._private[bot.user_id, user_id] = chat
        return chat

    def lookup(self, chat_id: str) -> User | Chat:
        """Whatever an id or @nick names. Raises Refusal."""
        if chat_id.startswith("@"):
            everybody = [*self.users.values(), *(bot.user for bot in self.bots.values())]
            face = next((user for user in everybody if user.nick == chat_id[1:]), None)
        else:
            bot = self._bots_by_id.get(chat_id)
            face = bot.user if bot else self.users.get(chat_id)
        target = face or self._groups.get(chat_id)
        if target is None:
            raise Refusal("Invalid chatId")
        return target

    def chat(self, bot: BotAccount, chat_id: str) -> Chat:
        """The private chat of a bot and the user of this id or nick, or a group. Raises Refusal."""
        target = self.lookup(chat_id)
        return target if isinstance(target, Chat) else self.private(bot, target.user_id)

    def chat_for_bot(self, bot: BotAccount, chat_id: str) -> Chat:
        """The chat that a bot names by this id or nick. Raises Refusal."""
        chat = self.chat(bot, chat_id)
        if bot.user_id not in chat.members:
            raise Refusal("Permission denied")
        return chat

    def chat_for_person(self, user_id: str, chat_id: str) -> Chat:
        """The chat that a person names: a private one by the bot's id. Raises Refusal."""
        bot = self._bots_by_id.get(chat_id)
        if bot is not None:
            return self.private(bot, user_id)
        chat = self.group(chat_id)
        if user_id not in chat.members:
            raise Refusal(f"{user_id} is not a member of {chat_id}")
        return chat

    def chats_of(self, user_id: str) -> list[Chat]:
        """Private chats with every bot, then groups and channels."""
        private = [self.private(bot, user_id) for bot in self.bots.values()]
        return private + [chat for chat in self._groups.values() if user_id in chat.members]

    @property
    def group_ids(self) -> list[str]:
        return list(self._groups)

    def chats(self) -> Iterator[Chat]:
        yield from self._private.values()
        yield from self._groups.values()

    def mentions(self, text: str) -> list[dict[str, Any]]:
        """A part for each known user that the text mentions as `@[userId]`."""
        if "@[" not in text:
            return []
        names = dict.fromkeys(MENTION.findall(text))
        faces = [self._bots_by_id[name].user if name in self._bots_by_id else self.users.get(name) for name in names]
        return [{"type": "mention", "payload": face.reference()} for face in faces if face is not None]

    def clear(self) -> None:
        """Forget everybody but the bots."""
        self.users.clear()
        self._groups.clear()
        self._private.clear()
        self._threads.clear()
        self.add_errors.clear()


def _root(parent: dict[str, Any] | None) -> tuple[str, str] | None:
    """Chat and message under which a thread hangs."""
    return None if parent is None else (str(parent.get("chatId")), str(parent.get("messageId")))
