"""A small disk that can be full. Linux, root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Self

from tests.chaos.report import Skipped
from tests.processes import scratch_directory


class Disk:
    def __init__(self, megabytes: int = 64) -> None:
        if os.geteuid() != 0:
            raise Skipped("a small disk needs root")
        self.path = scratch_directory("vkteams-bot-disk-")
        self._megabytes = megabytes
        self._filler = self.path / "filler"

    def __enter__(self) -> Self:
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._megabytes}m", "tmpfs", str(self.path)]
        mounted = subprocess.run(command, capture_output=True)
        if mounted.returncode:
            raise Skipped(f"no small disk: {mounted.stderr.decode().strip()}")
        return self

    def __exit__(self, *exc_info: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=True, capture_output=True)

    def fill(self) -> None:
        """To the last byte, and again what became free meanwhile."""
        with open(self._filler, "ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        Path(self._filler).unlink()
