"""What a person sees. Texts are `str`, so they compare with one; a failed assertion then shows the conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.world import World


class Seen(str):
    """A text on somebody's screen."""

    __slots__ = ("transcript",)
    transcript: Callable[[], list[str]]
    """The lines of the conversation it stands in."""

    def __new__(cls, text: str, transcript: Callable[[], list[str]]) -> Self:
        seen = super().__new__(cls, text)
        seen.transcript = transcript
        return seen


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file, picture or voice message, as whoever downloads it gets it."""

    name: str
    content: bytes
    voice: bool = False


class TaskMessage(Seen):
    """What a pressed button showed: a line that vanishes, or with `alert` a window."""

    __slots__ = ("alert", "url")
    alert: bool
    url: str


class Message(Seen):
    """A message as it stands now: the text, or the caption of a file."""

    __slots__ = ("_world", "chat_id", "payload")
    payload: Mapping[str, Any]
    """As in `World.history`."""

    chat_id: str
    _world: World

    @classmethod
    def of(cls, world: World, chat_id: str, payload: Mapping[str, Any], transcript: Callable[[], list[str]]) -> Self:
        message = cls(text_of(payload), transcript)
        message._world, message.chat_id, message.payload = world, chat_id, payload
        return message

    @property
    def id(self) -> str:
        return str(self.payload["msgId"])

    @property
    def author(self) -> str:
        """The user id."""
        return str(self.payload["from"]["userId"])

    @property
    def edited(self) -> bool:
        return "editedTimestamp" in self.payload

    @property
    def styles(self) -> dict[str, list[dict[str, int]]]:
        """As ranges, e.g. {"bold": [{"offset": 0, "length": 5}]}."""
        return dict(self.payload["format"])

    @property
    def keyboard(self) -> list[list[str]]:
        """Rows of labels."""
        return [[str(button["text"]) for button in row] for row in self.payload.get("inlineKeyboardMarkup", ())]

    @property
    def buttons(self) -> list[str]:
        """All labels."""
        return [label for row in self.keyboard for label in row]

    @property
    def files(self) -> list[SeenFile]:
        """Raises Refusal for a file that the server does not have."""
        return [
            SeenFile(file.filename, file.content, part["type"] == "voice")
            for part in self._parts("file", "voice")
            for file in [self._world.files.find(part["payload"]["fileId"])]
        ]

    @property
    def sticker(self) -> str | None:
        """Its file id."""
        return next((str(part["payload"]["fileId"]) for part in self._parts("sticker")), None)

    @property
    def replies_to(self) -> str | None:
        """The text that it quotes."""
        return next((text_of(part["payload"]["message"]) for part in self._parts("reply")), None)

    @property
    def forwards(self) -> list[str]:
        """The texts that it forwards."""
        return [text_of(part["payload"]["message"]) for part in self._parts("forward")]

    def pressable(self, label: str) -> str | None:
        """The callback data of a button. Raises Refusal for one that opens an address."""
        for button in (button for row in self.payload.get("inlineKeyboardMarkup", ()) for button in row):
            if button["text"] == label:
                if "callbackData" not in button:
                    raise Refusal(f"the button {label!r} opens {button.get('url')}; the bot does not hear of it")
                return str(button["callbackData"])
        return None

    def _parts(self, *kinds: str) -> Iterator[Any]:
        return (part for part in self.payload["parts"] if part.get("type") in kinds)


def text_of(payload: Mapping[str, Any]) -> str:
    """A file without a caption has its address for a text, which nobody reads."""
    files = [part["payload"] for part in payload.get("parts", ()) if part.get("type") in ("file", "voice", "sticker")]
    if files:
        return next((str(file["caption"]) for file in files if file.get("caption")), "")
    return str(payload.get("text", ""))
