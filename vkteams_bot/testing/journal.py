"""Journal: what the people of a test saw happen, in order."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from vkteams_bot.emulator.changes import Change
from vkteams_bot.emulator.world import World
from vkteams_bot.testing.seen import text_of

LINES_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Entry:
    """`place` is the chat as a person names it; a private one by the bot's id."""

    kind: str
    place: str
    title: str
    payload: dict[str, Any]
    seen_by: frozenset[str]


class Journal:
    """Listens to a world. A person's own act begins what is new to them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._entries: list[Entry] = []
        self._acted: dict[str, int] = {}
        world.listen(self._changed)

    def acts(self, user_id: str) -> None:
        """From here on everything is new to this person."""
        self._acted[user_id] = len(self._entries)

    def pressed(self, user_id: str, place: str, label: str) -> None:
        self._entries.append(Entry("press", place, "", {"from": user_id, "label": label}, frozenset({user_id})))

    def new(self, user_id: str, place: str | None = None) -> list[Entry]:
        """What a person saw since their last act, in one chat or all."""
        return [entry for entry in self._entries[self._acted.get(user_id, 0) :] if _concerns(entry, user_id, place)]

    def transcript(self, user_id: str, place: str | None = None) -> list[str]:
        """All that a person saw, the latest lines of it."""
        entries = [entry for entry in self._entries if _concerns(entry, user_id, place)]
        several = len({entry.place for entry in entries}) > 1
        lines: list[str] = []
        for entry in entries:
            told = self._told(entry)
            if told is not None:
                where = f"[{entry.title}] " if several and entry.title else ""
                lines += textwrap.indent(where + told, "  ").splitlines()
        return ["  ...", *lines[-LINES_SHOWN:]] if len(lines) > LINES_SHOWN else lines or ["  (nothing was said)"]

    def _changed(self, change: Change) -> None:
        chat = change.chat
        place, title = ("", "") if chat is None else (chat.id, "" if chat.type == "private" else chat.title)
        self._entries.append(Entry(change.kind, place, title, change.payload, frozenset(change.user_ids)))

    def _told(self, entry: Entry) -> str | None:
        payload = entry.payload
        match entry.kind:
            case "message":
                return f"{self._name(payload)}: {_shown(payload)}"
            case "edited":
                return f"{self._name(payload)} edits: {_shown(payload)}"
            case "deleted":
                return f"(the message {payload['msgId']} is deleted)"
            case "press":
                return f"{payload['from']} presses [{payload['label']}]"
            case "callback_answer":
                return f"({'a window' if payload['showAlert'] else 'a notice'}: {payload['text'] or payload['url']})"
            case "action" if payload["action"] != "none":
                return f"({self._name(payload)} is {payload['action']})"
            case _:
                return None

    def _name(self, payload: dict[str, Any]) -> str:
        user_id = payload["from"]["userId"]
        return user_id if user_id in self._world.users else "bot"


def _concerns(entry: Entry, user_id: str, place: str | None) -> bool:
    return user_id in entry.seen_by and (place is None or entry.place == place)


def _shown(payload: dict[str, Any]) -> str:
    parts = [f"<{part['type']}>" for part in payload["parts"] if part.get("type") not in ("mention", "reply")]
    rows = [" ".join(f"[{button['text']}]" for button in row) for row in payload.get("inlineKeyboardMarkup", ())]
    first, *more = " ".join(filter(None, [*parts, text_of(payload)])).splitlines() or [""]
    return "\n      ".join([first, *more, *rows])
