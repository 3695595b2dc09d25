"""Chat, and the view of it that a person has."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal

from vkteams_bot.emulator.message import Message
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import BotAccount, User

ChatType = Literal["private", "group", "channel"]
KEPT_MESSAGES = 10_000


@dataclass(slots=True, kw_only=True)
class Chat:
    """A private chat has the id of its person, and is `opened` when the person has written.

    `parent` names the message under which a thread hangs. A thread that was opened shares `members`, `admins` and
    `bots` with the chat under which it hangs.
    """

    chat_id: str
    type: ChatType
    title: str = ""
    members: dict[str, User] = field(default_factory=dict)
    bots: list[BotAccount] = field(default_factory=list)
    admins: set[str] = field(default_factory=set)
    creator: str | None = None
    about: str | None = None
    rules: str | None = None
    public: bool = False
    join_moderation: bool = False
    photo: str | None = None
    pending: dict[str, User] = field(default_factory=dict)
    blocked: dict[str, User] = field(default_factory=dict)
    pinned: set[str] = field(default_factory=set)
    autosubscribed: set[str] = field(default_factory=set)
    opened: bool = False
    parent: dict[str, Any] | None = None
    comments: bool = False
    subscribers: dict[str, None] = field(default_factory=dict)
    messages: OrderedDict[str, Message] = field(default_factory=OrderedDict)

    def reference(self) -> dict[str, Any]:
        """How events name it."""
        if self.type == "private":
            return {"chatId": self.chat_id, "type": "private"}
        return {"chatId": self.chat_id, "type": self.type, "title": self.title}

    def profile(self) -> dict[str, Any]:
        """The answer of chats/getInfo for a group or channel, without `ok`."""
        profile: dict[str, Any] = {"type": self.type, "title": self.title, "public": self.public}
        profile |= {key: value for key, value in (("about", self.about), ("rules", self.rules)) if value}
        number = self.chat_id.partition("@")[0]
        invite_link = f"https://example.com/chat/{number}"
        return {**profile, "inviteLink": invite_link, "joinModeration": self.join_moderation}

    def as_sender(self) -> dict[str, Any]:
        """How events name a channel that is the author of its posts."""
        return {"userId": self.chat_id, "firstName": self.title}

    def may_post(self, user_id: str) -> bool:
        """Only admins post in a channel; who may be there at all is not asked here."""
        return self.type != "channel" or user_id in self.admins

    def hearers(self) -> list[BotAccount]:
        """The bots that get its events: of a thread those that subscribed, of comments in a channel all."""
        if self.parent is None or self.comments:
            return self.bots
        return [bot for bot in self.bots if bot.user_id in self.subscribers]

    def keep(self, message: Message) -> None:
        """Add a message; beyond 10 000 the oldest is forgotten."""
        self.messages[message.msg_id] = message
        if len(self.messages) > KEPT_MESSAGES:
            self.messages.popitem(last=False)

    def find(self, msg_id: str | int) -> Message:
        """Raises Refusal when it is not here, or deleted."""
        message = self.messages.get(str(msg_id))
        if message is None or message.deleted:
            raise Refusal("msgId not found")
        return message

    def payload(self, message: Message, *, parent_topic: bool) -> dict[str, Any]:
        """The payload of an event about the message."""
        payload = {"chat": self.reference(), **message.body()}
        if parent_topic and self.parent is not None:
            payload["parent_topic"] = self.parent
        return payload

    def shown(self, message: Message) -> dict[str, Any]:
        """A message as it stands here: the payload of its event, its keyboard and its deeplink."""
        return self.payload(message, parent_topic=True) | message.beside()

    def view(self) -> ChatView:
        """As its people see it: a private chat by the bot's id and name."""
        peer = self.bots[0].user if self.type == "private" else None
        last = next((message for message in reversed(self.messages.values()) if not message.deleted), None)
        return ChatView(
            id=peer.user_id if peer else self.chat_id,
            type=self.type,
            title=peer.name if peer else self.title or self.chat_id,
            members=[member.reference() for member in self.members.values()],
            last_message=last.seen() if last else None,
        )

    def people(self) -> set[str]:
        """Ids of the members that are persons."""
        return {user_id for user_id, user in self.members.items() if not user.is_bot}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatView:
    """A chat as one of its people sees it; members and messages as dicts of the wire."""

    id: str
    type: ChatType
    title: str
    members: list[dict[str, Any]]
    last_message: dict[str, Any] | None
