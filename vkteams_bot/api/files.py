"""What can be uploaded."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import os
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple, Protocol, Self, TypeAlias, cast
from urllib.parse import unquote, urlsplit

from pydantic import PlainValidator

from vkteams_bot.exceptions import InvalidCall

MAX_BYTES = 50 * 1024 * 1024
"""What servers take as one request; also the most that is downloaded unless a call says otherwise."""


CLOSED = "the file is closed: give its path, or await the call before it is closed"


class ChunkedFile(Protocol):
    """A Django `File`: `FieldFile`, `UploadedFile`, `ContentFile`, …"""

    name: str | None

    def chunks(self, chunk_size: int | None = None) -> Any: ...


class StoredFile(NamedTuple):
    """A file in a Django storage."""

    storage: Any
    name: str


class WebFile(NamedTuple):
    """A file that is fetched when it is sent. `max_size` is in bytes; without `filename` the server names it."""

    url: str
    filename: str | None
    max_size: int | None
    proxy: str | None


Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | ChunkedFile | StoredFile | WebFile


class InputFile:
    """A file to upload: a path (streamed from disk), bytes with a name, an open binary file, or a Django file.

    An open file is read from its start, stays open, and must be seekable. Raises InvalidCall for what cannot be
    uploaded. For addresses and base64 see `from_url` and `from_base64`.
    """

    __slots__ = ("content", "filename", "handle", "path", "source", "stored", "web")

    def __init__(self, source: Source, *, filename: str | None = None) -> None:
        self.source = source  # kept: a temporary upload is deleted when nobody refers to it
        self.path: Path | None = None
        self.content: bytes | None = None
        self.handle: BinaryIO | None = None
        self.stored: StoredFile | None = None
        self.web: WebFile | None = None
        if isinstance(source, bytes):
            self.content = source
        elif isinstance(source, str | os.PathLike):
            self.path = Path(source)
        elif isinstance(source, WebFile):
            self.web = source
        elif isinstance(source, StoredFile):
            self._take_stored(source)
        elif hasattr(source, "chunks"):
            self._take_django_file(source)
        else:
            self._take_open_file(source)
        self._name(filename)

    @classmethod
    def from_base64(cls, text: str | bytes, *, filename: str) -> Self:
        """Bytes in base64, with line breaks or not; also as a `data:` address. Raises InvalidCall."""
        if isinstance(text, bytes):
            text = text.decode("ascii", "replace")
        if text.startswith("data:"):
            text = text.partition(",")[2]
        try:
            content = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidCall(f"{filename}: not base64: {error}") from None
        return cls(content, filename=filename)

    @classmethod
    def from_url(
        cls, url: str, *, filename: str | None = None, max_size: int | None = MAX_BYTES, proxy: str | None = None
    ) -> Self:
        """A file on the web, fetched when the call is sent; its name is the server's unless `filename` is given.

        Not through the bot's proxy, only through `proxy`. Whoever chooses `url` makes this process ask that address,
        inside your network too: never pass on one that a stranger wrote. Sending raises DownloadFailed, or FileTooLarge
        for more than `max_size` bytes (None = any number); then nothing was sent.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidCall("from_url takes addresses that begin with http:// or https:// and a host")
        in_url = unquote(parts.path.rpartition("/")[2])
        return cls(WebFile(url, filename, max_size, proxy), filename=filename or in_url or "file")

    def __repr__(self) -> str:
        return f"InputFile({self._described()}, filename={self.filename!r})"

    @property
    def is_far(self) -> bool:
        """True if it must be fetched before it can be opened: it is on the web or in a storage elsewhere."""
        return self.web is not None or (self.stored is not None and self.path is None)

    @property
    def is_temporary(self) -> bool:
        """True if the path will not be there for long: that of a large file that a browser uploaded."""
        return hasattr(self.source, "temporary_file_path")

    def open(self) -> BinaryIO:
        """A fresh reader from the start. Raises InvalidCall when the file cannot be read."""
        if self.content is not None:
            return io.BytesIO(self.content)
        try:
            if self.handle is not None:
                if self.handle.closed:
                    raise InvalidCall(CLOSED)
                return cast("BinaryIO", _Reader(self.handle, self._described(), owned=False))
            if self.path is not None:
                return cast("BinaryIO", _Reader(self.path.open("rb"), self._described(), owned=True))
        except (OSError, ValueError) as error:
            raise _unreadable(self._described(), error) from error
        raise InvalidCall(f"{self._described()} is not here: it must be fetched first")

    def _take_stored(self, stored: StoredFile) -> None:
        self.stored = stored
        # NotImplementedError is how a storage says that its files are not on this disk; InMemoryStorage makes paths up.
        with contextlib.suppress(NotImplementedError):
            path = Path(stored.storage.path(stored.name))
            self.path = path if path.is_file() else None

    def _take_django_file(self, file: Any) -> None:
        if hasattr(file, "storage") and hasattr(file, "field"):
            if not file:
                raise InvalidCall("the file field is empty: there is nothing to upload")
            if getattr(file, "_committed", True):
                self._take_stored(StoredFile(file.storage, file.name))
                return
            file = file.file
        if hasattr(file, "temporary_file_path"):
            self.path = Path(file.temporary_file_path())
        elif isinstance(getattr(file, "file", None), io.StringIO):  # ContentFile("text")
            self.content = file.file.getvalue().encode()
        else:
            self._take_open_file(file)

    def _take_open_file(self, file: Any) -> None:
        if not hasattr(file, "read") or not hasattr(file, "seekable"):
            raise InvalidCall(f"cannot upload {type(file).__name__}: give a path, bytes, an open file or a Django file")
        if isinstance(file, io.TextIOBase):
            raise InvalidCall("the file is open as text: open it with mode 'rb'")
        if file.closed:
            raise InvalidCall(CLOSED)
        if not file.seekable():
            raise InvalidCall("the file can be read only once: give what it holds, InputFile(file.read(), filename=…)")
        self.handle = file

    def _name(self, filename: str | None) -> None:
        is_path = isinstance(self.source, str | os.PathLike)
        known = self.path if is_path else getattr(self.source, "name", None)
        name = filename or (os.path.basename(known) if isinstance(known, str | os.PathLike) else "")
        if not name:
            what = "bytes" if self.content is not None else type(self.source).__name__
            raise InvalidCall(f"InputFile({what}) needs filename=")
        # A name on disk need not be Unicode; one on the wire must be.
        self.filename = name.encode("utf-8", "replace").decode()

    def _described(self) -> str:
        if self.content is not None:
            return f"{len(self.content)} bytes"
        if self.web is not None:
            return urlsplit(self.web.url).hostname or "web"
        if self.path is not None:
            return str(self.path)
        return self.stored.name if self.stored is not None else type(self.handle).__name__


class _Reader(io.RawIOBase):
    """A file as long as it was when it was opened. One that shrinks raises InvalidCall: the length is promised."""

    def __init__(self, file: BinaryIO, described: str, *, owned: bool) -> None:
        self._file = file
        self._described = described
        self._owned = owned
        self._offset = 0
        try:
            self._length = file.seek(0, os.SEEK_END)
        except (OSError, ValueError):
            self.close()
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self._length}[whence]
        self._offset = start + offset
        return self._offset

    def read(self, size: int | None = -1) -> bytes:
        left = self._length - self._offset
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted <= 0:
            return b""
        try:
            self._file.seek(self._offset)  # each time: calls that run side by side may share an open file
            data = self._file.read(wanted)
        except (OSError, ValueError) as error:
            raise _unreadable(self._described, error) from error
        if not isinstance(data, bytes):
            raise InvalidCall(f"{self._described} is open as text: open it with mode 'rb'")
        if not data:
            raise InvalidCall(
                f"{self._described} became shorter while it was uploaded ({self._offset} of {self._length} bytes): "
                "send it when it is complete"
            )
        self._offset += len(data)
        return data

    def close(self) -> None:
        if self._owned:
            self._file.close()
        super().close()


def _unreadable(described: str, error: Exception) -> InvalidCall:
    return InvalidCall(f"cannot read {described}: {getattr(error, 'strerror', None) or error}")


def _upload(value: Any) -> InputFile:
    """A text is refused: it might be a path, a file id or an address, and a person may have written it."""
    if isinstance(value, InputFile):
        return value
    if isinstance(value, os.PathLike) or hasattr(value, "chunks") or hasattr(value, "read"):
        return InputFile(value)
    raise ValueError("Input should be an instance of InputFile, a Path, an open file or a Django file")


Uploadable: TypeAlias = InputFile | os.PathLike[str] | BinaryIO | ChunkedFile
"""What a call takes as a file."""

Upload = Annotated[Uploadable, PlainValidator(_upload)]
"""A parameter that takes a file; the value holds an InputFile."""
