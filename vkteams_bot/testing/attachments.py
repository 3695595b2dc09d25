"""What hangs on a message that a person sends."""

from __future__ import annotations

from pathlib import Path

from vkteams_bot.emulator.message import Part
from vkteams_bot.emulator.world import World
from vkteams_bot.testing.seen import Message

Upload = Path | bytes | tuple[str, bytes]
"""A file on disk, its content, or a name and a content."""


def file_part(world: World, upload: Upload, caption: str, *, voice: bool = False) -> Part:
    match upload:
        case Path():
            name, content = upload.name, upload.read_bytes()
        case bytes():
            name, content = ("voice.ogg" if voice else "file.bin"), upload
        case (name, content):
            pass
    return world.files.add(name, content, voice=voice).part(caption, voice=voice)


def forward_part(world: World, user_id: str, message: Message) -> Part:
    quoted = world.directory.chat_for_person(user_id, message.chat_id).find(message.id).quoted()
    return {"type": "forward", "payload": {"message": quoted}}
