"""Where a download goes: memory, a file, a directory, an open file, a Django file or storage."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from vkteams_bot.api.filenames import numbered, safe_name
from vkteams_bot.exceptions import InvalidCall

R = TypeVar("R")

SPOOLED_BYTES = 1024 * 1024


@runtime_checkable
class FileSaver(Protocol):
    """A Django `FieldFile` or `Storage`: it makes names unique itself."""

    def save(self, name: str, content: Any, /) -> Any: ...


Destination: TypeAlias = str | os.PathLike[str] | FileSaver | BinaryIO | None


class Target(Generic[R]):
    """Takes the bytes in `file`; `keep` makes them the result, and `close` drops whatever was not kept."""

    file: BinaryIO
    blocks: ClassVar[bool] = False
    """`keep` may take long, so it must not run in an event loop."""

    def keep(self, name: str) -> R:
        """`name` is the file's own, not made safe. Raises OSError."""
        raise NotImplementedError

    def close(self) -> None:
        self.file.close()


class Memory(Target[bytes]):
    def __init__(self) -> None:
        self._content = io.BytesIO()
        self.file = self._content

    def keep(self, name: str) -> bytes:
        return self._content.getvalue()


class Disk(Target[Path]):
    """Written beside its place under a name of its own and then renamed, so no half of a file is ever seen."""

    def __init__(self, path: Path, *, is_directory: bool) -> None:
        self._path = path
        self._is_directory = is_directory
        self._directory = path if is_directory else path.parent
        self._part = self._directory / f".{secrets.token_hex(8)}.part"
        try:
            self.file = self._part.open("xb")
        except OSError as error:
            raise InvalidCall(f"cannot write into {self._directory}: {error.strerror or error}") from error

    def keep(self, name: str) -> Path:
        self.file.close()
        place = self._free(safe_name(name)) if self._is_directory else self._path
        os.replace(self._part, place)
        return place

    def close(self) -> None:
        with contextlib.suppress(OSError):  # of a full disk; what was written goes anyway
            self.file.close()
        self._part.unlink(missing_ok=True)

    def _free(self, name: str) -> Path:
        """A name that nobody has; the empty file keeps it ours until it is replaced."""
        number = 0
        while True:
            place = self._directory / numbered(name, number)
            try:
                place.touch(exist_ok=False)
            except FileExistsError:
                number += 1
            else:
                return place


class _Spooled(Target[R]):
    """Handed over only when it is complete."""

    blocks = True

    def __init__(self) -> None:
        self.file = spool()


class OpenFile(_Spooled[BinaryIO]):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._target = file

    def keep(self, name: str) -> BinaryIO:
        self.file.seek(0)
        shutil.copyfileobj(self.file, self._target)
        return self._target


class Saved(_Spooled[str]):
    def __init__(self, saver: FileSaver) -> None:
        super().__init__()
        self._saver = saver

    def keep(self, name: str) -> str:
        """Save the file; return the name that the storage gave it."""
        self.file.seek(0)
        saved_name = self._saver.save(safe_name(name), self.file)
        return str(saved_name if saved_name is not None else getattr(self._saver, "name", name))


def spool() -> BinaryIO:
    """A file without a name: in memory while it is small, on disk when it grows."""
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(SPOOLED_BYTES))


def target_for(destination: Destination) -> Target[Any]:
    """Raises InvalidCall for what cannot be written to."""
    if destination is None:
        return Memory()
    if isinstance(destination, str | os.PathLike):
        path = Path(destination)
        return Disk(path, is_directory=path.is_dir() or os.fspath(destination).endswith(os.sep))
    if isinstance(destination, FileSaver):
        return Saved(destination)
    if hasattr(destination, "write") and not isinstance(destination, io.TextIOBase):
        return OpenFile(destination)
    raise InvalidCall(
        f"cannot download to {type(destination).__name__}: "
        "give a path, a directory, a file open for writing bytes, a Django file field or a storage"
    )
