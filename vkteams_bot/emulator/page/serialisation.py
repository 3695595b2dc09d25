"""What the page is told, as plain JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vkteams_bot.emulator.chat import ChatView
from vkteams_bot.emulator.page.scope import BotCommand, Commands
from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.users import User
from vkteams_bot.emulator.world import World

# Shown in place, and sent as themselves. An SVG is a document with scripts: it is only ever downloaded.
IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def image_type(content: bytes) -> str | None:
    """The media type of a picture that every browser shows safely, by its first bytes; None for all else."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for start, media_type in IMAGES.items() if content.startswith(start)), None)


def person(user: User, commands: Sequence[BotCommand] | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"userId": user.user_id, "name": user.name}
    if commands is not None:
        told["commands"] = [command._asdict() for command in commands]
    return told


def people(world: World, commands: Commands) -> dict[str, Any]:
    """Everybody there is."""
    return {
        "users": [person(user) for user in world.users.values()],
        "bots": [person(bot.user, commands.get(bot.user_id, ())) for bot in world.bots.values()],
    }


def message(world: World, seen: dict[str, Any]) -> dict[str, Any]:
    """A message of `World.history`, with what is known of its files by their ids."""
    files = {file_id: file(world, file_id) for file_id in _file_ids(seen)}
    return {**seen, "files": files} if files else seen


def file(world: World, file_id: str) -> dict[str, Any]:
    """`shown`: the page can show it in place. Empty for a file that the world does not have."""
    try:
        stored = world.files.find(file_id)
    except Refusal:
        return {}
    return {
        "name": stored.filename,
        "size": len(stored.content),
        "type": stored.type,
        "url": f"files/{file_id}",
        "shown": image_type(stored.content) is not None,
    }


def chat(world: World, view: ChatView, unread: int) -> dict[str, Any]:
    return {
        "chatId": view.id,
        "type": view.type,
        "title": view.title,
        "members": view.members,
        "last": last_message(world, view),
        "unread": unread,
    }


def last_message(world: World, view: ChatView) -> dict[str, Any] | None:
    return message(world, view.last_message) if view.last_message else None


def unread(history: Sequence[Mapping[str, Any]], user_id: str, read: str | None) -> int:
    """How many messages of others came after the last one read."""
    after = int(read) if read and read.isascii() and read.isdigit() else 0
    count = 0
    for seen in reversed(history):
        if int(seen["msgId"]) <= after:
            break
        count += seen["from"]["userId"] != user_id and not seen.get("deleted")
    return count


def _file_ids(seen: Mapping[str, Any]) -> Iterator[str]:
    for part in seen.get("parts") or ():
        payload = part.get("payload")
        if not isinstance(payload, dict):
            continue
        if isinstance(payload.get("fileId"), str):
            yield payload["fileId"]
        if isinstance(payload.get("message"), dict):
            yield from _file_ids(payload["message"])
