"""Message: what stands in a chat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vkteams_bot.emulator.users import User
from vkteams_bot.text.ranges import Ranges

Part = dict[str, Any]
Rows = list[list[dict[str, Any]]]


@dataclass(slots=True, kw_only=True)
class Message:
    """A change replaces `parts`, `format` and `keyboard` and never alters them: events share them."""

    msg_id: str
    sender: User
    timestamp: int
    text: str = ""
    format: Ranges = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    keyboard: Rows | None = None
    deeplink: str | None = None
    edited_timestamp: int | None = None
    deleted: bool = False

    def quoted(self) -> dict[str, Any]:
        """How a reply or forward carries it."""
        quoted: dict[str, Any] = {"from": self.sender.reference(), "msgId": self.msg_id}
        if self.text:
            quoted["text"] = self.text
        if self.format:
            quoted["format"] = self.format
        if self.parts:
            quoted["parts"] = self.parts
        quoted["timestamp"] = self.timestamp
        return quoted

    def body(self) -> dict[str, Any]:
        """The payload of its events, without the chat."""
        body = self.quoted()
        if self.edited_timestamp is not None:
            body["editedTimestamp"] = self.edited_timestamp
        return body

    def parts_with_keyboard(self) -> list[Part]:
        """Its parts as a callbackQuery shows them."""
        if not self.keyboard:
            return self.parts
        return [*self.parts, {"type": "inlineKeyboardMarkup", "payload": self.keyboard}]

    def leads_away(self, callback_data: str) -> bool:
        """Whether its button with this data has an address, too, which wins."""
        buttons = [button for row in self.keyboard or () for button in row]
        return any(button.get("callbackData") == callback_data and button.get("url") for button in buttons)

    def seen(self) -> dict[str, Any]:
        """What a person sees. A deleted message keeps its place and author only."""
        seen = {"text": "", "format": {}, "parts": [], **self.body()}
        if self.deleted:
            seen |= {"text": "", "format": {}, "parts": [], "deleted": True}
        else:
            seen |= self.beside()
        return seen

    def beside(self) -> dict[str, Any]:
        """What people see of it and events about it do not tell."""
        beside = {"inlineKeyboardMarkup": self.keyboard, "deeplink": self.deeplink}
        return {name: value for name, value in beside.items() if value}
