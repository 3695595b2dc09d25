"""Downloads: the files that files/getInfo points to."""

from __future__ import annotations

import mimetypes
from urllib.parse import parse_qs, quote

from vkteams_bot.emulator.refusal import Refusal
from vkteams_bot.emulator.request import Request
from vkteams_bot.emulator.world import World

SHOWN_INLINE = ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/", "video/")


async def download(request: Request, world: World, file_id: str) -> None:
    """The file, or 404, also when its address is too old. With `files_need_token` 403, and 500 for an escaped colon."""
    if request.method not in ("GET", "HEAD"):
        await request.text(405, "GET only\n")
        return
    if world.behaviour.files_need_token:
        if b"%3a" in request.query.lower():
            await request.text(500, "Internal Server Error\n")
            return
        if not any(token in world.bots for token in parse_qs(request.query.decode("latin-1")).get("token", ())):
            await request.text(403, "Forbidden\n")
            return
    try:
        stored = world.files.find(file_id)
    except Refusal:
        stored = None
    if stored is None or not world.files.is_offered(file_id, world.behaviour.file_url_seconds):
        await request.text(404, "Not Found\n")
        return
    kind = mimetypes.guess_type(stored.filename)[0] or "application/octet-stream"
    place = "inline" if kind.startswith(SHOWN_INLINE) else "attachment"
    await request.answer(
        200,
        stored.content,
        (b"content-type", kind.encode("ascii")),
        (
            b"content-disposition",
            f"{place}; filename*=UTF-8''{quote(stored.filename, safe='', errors='replace')}".encode(),
        ),
        (b"x-content-type-options", b"nosniff"),
    )
