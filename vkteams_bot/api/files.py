"""What can be uploaded."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

from vkteams_bot.exceptions import InvalidCall


class InputFile:
    """A file to upload: a path (streamed from disk) or bytes with a name."""

    __slots__ = ("content", "filename", "path")

    def __init__(self, source: str | os.PathLike[str] | bytes, *, filename: str | None = None) -> None:
        if isinstance(source, bytes):
            if not filename:
                raise InvalidCall("InputFile(bytes) needs filename=")
            self.path: Path | None = None
            self.content: bytes | None = source
            self.filename = filename
        else:
            self.path = Path(source)
            self.content = None
            self.filename = filename or self.path.name
        # A name on disk need not be Unicode; one on the wire must be.
        self.filename = self.filename.encode("utf-8", "replace").decode()

    def __repr__(self) -> str:
        source = str(self.path) if self.content is None else f"{len(self.content)} bytes"
        return f"InputFile({source}, filename={self.filename!r})"

    def open(self) -> BinaryIO:
        """A fresh reader from the start. Raises InvalidCall when the file cannot be read."""
        if self.content is not None:
            return io.BytesIO(self.content)
        assert self.path is not None
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InvalidCall(f"cannot read {self.path}: {error.strerror or error}") from error
