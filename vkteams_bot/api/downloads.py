"""Download: from a file id to bytes, a path, or a file of Django."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, Generic, Protocol, TypeAlias, TypeVar

from asgiref.sync import sync_to_async

from vkteams_bot.api.destinations import Destination, Target, target_for
from vkteams_bot.api.types import FileInfo, FilePayload, StickerPayload, VoicePayload
from vkteams_bot.api.types.shortcuts import Sendable
from vkteams_bot.exceptions import DownloadFailed, FileTooLarge, InvalidCall

R = TypeVar("R")

Downloadable: TypeAlias = str | FileInfo | FilePayload | StickerPayload | VoicePayload
"""A file id, an http(s) address, what `files/getInfo` answered, or a file, sticker or voice of a message."""


class Downloader(Protocol):
    """What a download needs of a bot."""

    def get_file_info(self, file_id: str) -> Sendable[FileInfo]: ...
    async def fetch(self, url: str, sink: BinaryIO, *, max_size: int | None, listed: bool) -> str: ...
    def fetch_sync(self, url: str, sink: BinaryIO, *, max_size: int | None, listed: bool) -> str: ...


class Download(Generic[R]):
    """A file on its way: await it, or `.send()` it from synchronous code.

    It is more than one request, so a handler cannot return it as a reply.
    """

    def __init__(self, bot: Downloader, file: Downloadable, destination: Destination, max_size: int | None) -> None:
        self._bot = bot
        self._destination = destination
        self._max_size = max_size
        self._source: str | FileInfo | Sendable[FileInfo]
        if isinstance(file, FileInfo):
            self._source = file
        elif isinstance(file, str):
            self._source = file if file.startswith(("http://", "https://")) else bot.get_file_info(file)
        elif isinstance(file_id := getattr(file, "file_id", None), str):
            self._source = bot.get_file_info(file_id)
        else:
            raise InvalidCall(
                f"cannot download {type(file).__name__}: give a file id, an address, a FileInfo, or a file of a message"
            )

    def __await__(self) -> Generator[Any, Any, R]:
        return self._awaited().__await__()

    async def _awaited(self) -> R:
        source = self._source
        if not isinstance(source, str | FileInfo):
            source = await source
        url, name = self._checked(source)
        listed = isinstance(source, FileInfo)
        with _closed_on_failure(self._target()) as target:
            server_name = await self._bot.fetch(url, target.file, max_size=self._max_size, listed=listed)
        if target.blocks:
            return await sync_to_async(_kept)(target, name or server_name)
        return _kept(target, name or server_name)

    def send(self) -> R:
        """Download now and wait for the result. Raises as awaiting it; RuntimeError inside a running event loop."""
        source = self._source
        if not isinstance(source, str | FileInfo):
            source = source.send()
        url, name = self._checked(source)
        listed = isinstance(source, FileInfo)
        with _closed_on_failure(self._target()) as target:
            server_name = self._bot.fetch_sync(url, target.file, max_size=self._max_size, listed=listed)
        return _kept(target, name or server_name)

    def _target(self) -> Target[R]:
        target: Target[R] = target_for(self._destination)
        return target

    def _checked(self, source: str | FileInfo) -> tuple[str, str]:
        """The address, and the name if it is known. Raises FileTooLarge."""
        if isinstance(source, str):
            return source, ""
        if self._max_size is not None and source.size is not None and source.size > self._max_size:
            raise FileTooLarge(f"the file has {source.size} bytes, max_size= allows {self._max_size}")
        return source.url, source.filename or ""


@contextmanager
def _closed_on_failure(target: Target[R]) -> Iterator[Target[R]]:
    try:
        yield target
    except BaseException:  # a cancelled download leaves no file either
        target.close()
        raise


def _kept(target: Target[R], name: str) -> R:
    """Closes the target itself: in a thread it goes on when the one who waits is cancelled."""
    with closing(target):
        try:
            return target.keep(name)
        except OSError as error:
            raise DownloadFailed(f"cannot keep the file: {error.strerror or error}") from error
