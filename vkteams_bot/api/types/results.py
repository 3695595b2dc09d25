"""What calls answer with, apart from the objects of events."""

from __future__ import annotations

from typing import Any, Unpack

from pydantic import PrivateAttr

from vkteams_bot.api.types.base import BoundObject, WireObject
from vkteams_bot.api.types.shortcuts import Sendable, SendOptions, TextOptions
from vkteams_bot.exceptions import InvalidCall
from vkteams_bot.text import Node


class SentMessage(BoundObject):
    """A message that the bot has just sent: it can be edited, deleted, pinned and replied to."""

    msg_id: str
    file_id: str | None = None
    _chat_id: str | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        if context is not None:
            self._chat_id = context.get("chat_id")

    @property
    def chat_id(self) -> str:
        if self._chat_id is None:
            raise InvalidCall("this SentMessage was not returned by a call, so its chat is not known")
        return self._chat_id

    def reply(self, text: str | Node, **options: Unpack[SendOptions]) -> Sendable[SentMessage]:
        """Send another message that quotes this one. Servers refuse quotes in threads."""
        options["reply_msg_id"] = self.msg_id
        result: Sendable[SentMessage] = self.bot.send_text(self.chat_id, text, **options)
        return result

    def edit_text(self, text: str | Node, **options: Unpack[TextOptions]) -> Sendable[bool]:
        result: Sendable[bool] = self.bot.edit_text(self.chat_id, self.msg_id, text, **options)
        return result

    def delete(self) -> Sendable[bool]:
        result: Sendable[bool] = self.bot.delete_messages(self.chat_id, self.msg_id)
        return result

    def pin(self) -> Sendable[bool]:
        """Servers may refuse this at once after the send: then try again after a second."""
        result: Sendable[bool] = self.bot.pin_message(self.chat_id, self.msg_id)
        return result

    def unpin(self) -> Sendable[bool]:
        result: Sendable[bool] = self.bot.unpin_message(self.chat_id, self.msg_id)
        return result


class FileInfo(WireObject):
    """Answer of `files/getInfo`. `url` is temporary; `type` is free text; some servers leave out the others."""

    type: str | None = None
    size: int | None = None
    filename: str | None = None
    url: str
