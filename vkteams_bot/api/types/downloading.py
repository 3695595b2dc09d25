"""Downloading what a message carries."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TypedDict

from vkteams_bot.api.types.shortcuts import Sendable


class DownloadOptions(TypedDict, total=False):
    """Options of `bot.download`."""

    max_size: int | None


class AllDownloads:
    """The files of a message on their way, one after the other: await it, or `.send()` it from synchronous code.

    Gives their paths in the order of the message. When one fails, those before it stay.
    """

    def __init__(self, starts: Sequence[Callable[[], Sendable[Path]]]) -> None:
        self._starts = starts

    def __await__(self) -> Generator[object, object, list[Path]]:
        return self._awaited().__await__()

    async def _awaited(self) -> list[Path]:
        return [await start() for start in self._starts]

    def send(self) -> list[Path]:
        """Download now and wait for it. Raises as `bot.download(...).send()` does."""
        return [start().send() for start in self._starts]
