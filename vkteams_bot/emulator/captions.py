"""Captions: what stands as the text of a message with files (botapi.md §3.2, §6.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vkteams_bot.emulator.message import Part

SHOWN_BY_ADDRESS = ("file", "sticker", "voice")


def with_addresses(parts: list[Part], text: str, address: Callable[[str], str]) -> tuple[list[Part], str]:
    """Parts and text as events show them; `address` tells that of a fileId, or nothing.

    Where a file, sticker or voice has no caption and nothing is written, its address is the text. With several files
    all addresses, captions and what is written are the text.
    """
    shown = [part for part in parts if part.get("type") in SHOWN_BY_ADDRESS and isinstance(part.get("payload"), dict)]
    files = [part for part in shown if part["type"] == "file"]
    if len(files) > 1:
        captions = [part["payload"].get("caption") for part in files]
        others = [part for part in parts if part not in files]
        bare = [{"type": "file", "payload": _without_caption(part["payload"])} for part in files]
        return [*others, *bare], "\n".join(filter(None, [*_addresses(files, address), *captions, text]))
    if text or not shown or shown[0]["payload"].get("caption"):
        return parts, text
    return parts, "".join(_addresses(shown[:1], address))


def _addresses(parts: list[Part], address: Callable[[str], str]) -> list[str]:
    return [address(str(part["payload"].get("fileId"))) for part in parts]


def _without_caption(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in ("caption", "format")}
