"""Messages and what happens to them."""

from __future__ import annotations

from typing import Annotated, Unpack

from pydantic import Field

from vkteams_bot.api.files import Uploadable
from vkteams_bot.api.types.base import BoundObject, WireObject
from vkteams_bot.api.types.chats import Chat, User
from vkteams_bot.api.types.parts import Content, ForwardPart, KeyboardPart, QuotedMessage, ReplyPart
from vkteams_bot.api.types.results import SentMessage
from vkteams_bot.api.types.shortcuts import Sendable, SendOptions, TextOptions, TypingBlock, VoiceOptions
from vkteams_bot.api.types.threads import ThreadAnswer
from vkteams_bot.keyboards import InlineKeyboardMarkup
from vkteams_bot.text import Node

MsgId = Annotated[str, Field(min_length=1, max_length=64)]


class ParentTopic(WireObject):
    """The message under which a thread hangs. On the wire it alone is spelled in snake_case."""

    chat_id: str
    message_id: int
    type: str | None = None

    def wire(self) -> str:
        """The JSON text of the parameter."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class ChatEvent(BoundObject):
    """Anything that happens in a chat. Shortcuts that send go to that chat (in a thread: to the thread)."""

    chat: Chat

    def answer(self, text: str | Node, **options: Unpack[SendOptions]) -> Sendable[SentMessage]:
        result: Sendable[SentMessage] = self.bot.send_text(self.chat.chat_id, text, **options)
        return result

    def answer_file(
        self,
        file: Uploadable | None = None,
        *,
        file_id: str | None = None,
        caption: str | Node | None = None,
        **options: Unpack[SendOptions],
    ) -> Sendable[SentMessage]:
        """Upload a file, or send one again by its `file_id`."""
        result: Sendable[SentMessage] = self.bot.send_file(
            self.chat.chat_id, file, file_id=file_id, caption=caption, **options
        )
        return result

    def answer_voice(
        self, file: Uploadable | None = None, *, file_id: str | None = None, **options: Unpack[VoiceOptions]
    ) -> Sendable[SentMessage]:
        """Upload a voice message (aac, ogg or m4a), or send one again by its `file_id`."""
        result: Sendable[SentMessage] = self.bot.send_voice(self.chat.chat_id, file, file_id=file_id, **options)
        return result

    def answer_chat_action(self, *actions: str) -> Sendable[bool]:
        """Show `looking` or `typing` for about ten seconds; nothing = finished."""
        result: Sendable[bool] = self.bot.send_actions(self.chat.chat_id, actions)
        return result

    def typing(self) -> TypingBlock:
        """`async with`, or `with` in a `def` handler: the chat shows "typing" until the block ends."""
        result: TypingBlock = self.bot.typing(self.chat.chat_id)
        return result


class Message(ChatEvent, Content):
    """A message that the bot can see. `from_user` is None for a post of a channel."""

    msg_id: MsgId
    from_user: User | None = Field(default=None, alias="from")
    timestamp: int | None = None
    edited_timestamp: int | None = None
    parent_topic: ParentTopic | None = Field(default=None, alias="parent_topic")

    @property
    def reply_to(self) -> QuotedMessage | None:
        """The message this one answers; the first, if it quotes several."""
        return next((part.payload.message for part in self.parts if isinstance(part, ReplyPart)), None)

    @property
    def forwards(self) -> tuple[QuotedMessage, ...]:
        return tuple(part.payload.message for part in self.parts if isinstance(part, ForwardPart))

    @property
    def inline_keyboard(self) -> InlineKeyboardMarkup | None:
        return next((part.payload for part in self.parts if isinstance(part, KeyboardPart)), None)

    @property
    def is_edited(self) -> bool:
        return self.edited_timestamp is not None

    @property
    def is_thread_message(self) -> bool:
        return self.parent_topic is not None

    @property
    def thread_root_chat_id(self) -> str | None:
        return self.parent_topic.chat_id if self.parent_topic else None

    @property
    def thread_root_message_id(self) -> str | None:
        return str(self.parent_topic.message_id) if self.parent_topic else None

    def reply(self, text: str | Node, **options: Unpack[SendOptions]) -> Sendable[SentMessage]:
        """Answer and quote this message. In a thread servers refuse quotes: there it is an answer without one."""
        if not self.is_thread_message:
            options["reply_msg_id"] = self.msg_id
        return self.answer(text, **options)

    def answer_thread(self, text: str | Node, **options: Unpack[SendOptions]) -> ThreadAnswer:
        """Answer in the thread under this message, made if there is none; a message of a thread: in that thread.

        Await it or `.send()` it: it cannot be returned from a handler.
        """
        answer = self.answer(text, **options)
        add = None if self.is_thread_message else self.bot.threads_add(self.chat.chat_id, self.msg_id)
        # Some servers do not say that a message is in a thread, but refuse a thread there. Threads have no title.
        return ThreadAnswer(self.bot, add, answer, fall_back=not self.chat.title)

    def edit_text(self, text: str | Node, **options: Unpack[TextOptions]) -> Sendable[bool]:
        """Change the text; servers accept this for the bot's own messages only."""
        result: Sendable[bool] = self.bot.edit_text(self.chat.chat_id, self.msg_id, text, **options)
        return result

    def delete(self) -> Sendable[bool]:
        result: Sendable[bool] = self.bot.delete_messages(self.chat.chat_id, self.msg_id)
        return result

    def pin(self) -> Sendable[bool]:
        result: Sendable[bool] = self.bot.pin_message(self.chat.chat_id, self.msg_id)
        return result

    def unpin(self) -> Sendable[bool]:
        result: Sendable[bool] = self.bot.unpin_message(self.chat.chat_id, self.msg_id)
        return result


class EditedMessage(Message):
    """A message after an edit."""


class DeletedMessage(ChatEvent):
    """A message is gone. Servers report this in private chats only."""

    msg_id: MsgId
    timestamp: int | None = None


class PinnedMessage(ChatEvent, Content):
    """`from_user` may be the author or who pinned: the source does not say."""

    msg_id: MsgId
    from_user: User | None = Field(default=None, alias="from")
    timestamp: int | None = None


class UnpinnedMessage(ChatEvent):
    msg_id: MsgId
    timestamp: int | None = None
