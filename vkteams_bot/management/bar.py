"""Showing how far a long command is."""

from __future__ import annotations

import time
from typing import Any


class Bar:
    """On a terminal a bar that moves; elsewhere a line now and then. `stream` is a plain stream, without style."""

    def __init__(self, stream: Any, *, line_seconds: float = 10.0) -> None:
        """`line_seconds` pass between two lines where no terminal is."""
        self._stream = stream
        self._is_terminal = bool(getattr(stream, "isatty", lambda: False)())
        self._line_seconds = line_seconds
        self._told = time.monotonic()
        self._drawn = False

    def show(self, name: str, text: str, share: float) -> None:
        """`share` of the way is done: 0 to 1."""
        if self._is_terminal:
            filled = round(share * 24)
            self._stream.write(f"\r{name:<13} [{'#' * filled:<24}] {share:4.0%}  {text}\x1b[K")
            self._stream.flush()
            self._drawn = True
        elif time.monotonic() - self._told >= self._line_seconds:
            self._told = time.monotonic()
            self._stream.write(f"{name}: {text} ({share:.0%})\n")

    def close(self) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False
